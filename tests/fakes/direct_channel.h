#pragma once

#include <cstdint>
#include <string>

#include "worker/shard/follower_loop.h"
#include "worker/shard/plan_channel.h"

namespace triptych::fakes {

// Brings plans to a follower in the same process, until the step at which it breaks.
class DirectChannel final : public shard::PlanChannel {
 public:
  explicit DirectChannel(shard::FollowerLoop* follower, uint64_t breaks_at = ~uint64_t{0})
      : follower_(follower), breaks_at_(breaks_at) {}

  Status Send(uint64_t step, const std::string& plan) override {
    if (step >= breaks_at_) return Unavailable("the connection broke");
    follower_->OnPlan(plan);
    return OkStatus();
  }

 private:
  shard::FollowerLoop* follower_;
  uint64_t breaks_at_;
};

}  // namespace triptych::fakes
