#pragma once

#include <atomic>
#include <string_view>

#include "common/check.h"

namespace triptych {

// A worker's life, as the coordinator's protocol names it (cluster.proto; same numbers).
//   kStarting -> kLoading -> kReady -> kDraining -> kGone; kGone from any. Set by one thread, read by any.
enum class LifecycleState : int { kStarting = 1, kLoading = 2, kReady = 3, kSuspect = 4, kDraining = 5, kGone = 6 };

std::string_view Name(LifecycleState state);
bool MayFollow(LifecycleState from, LifecycleState to);

class Lifecycle {
 public:
  LifecycleState state() const { return state_.load(std::memory_order_acquire); }
  void Set(LifecycleState next) {
    TRIPTYCH_CHECK(MayFollow(state(), next));
    state_.store(next, std::memory_order_release);
  }

 private:
  std::atomic<LifecycleState> state_{LifecycleState::kStarting};
};

}  // namespace triptych
