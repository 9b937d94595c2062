#include "worker/shard/distributed_shard_group.h"

#include <string>
#include <utility>

#include "common/check.h"
#include "worker/shard/step_codec.h"

namespace triptych::shard {

DistributedShardGroup::DistributedShardGroup(RankGroupOptions options,
                                             const RankParts& parts,
                                             std::vector<std::unique_ptr<PlanChannel>> followers,
                                             const Clock* clock)
    : followers_(std::move(followers)), local_(options, parts, clock) {
  TRIPTYCH_CHECK(options.first_rank == 0);
}

void DistributedShardGroup::Submit(std::shared_ptr<const engine::StepPlan> plan) {
  const std::string bytes = EncodePlan(*plan);
  for (const auto& follower : followers_) {
    if (const Status status = follower->Send(plan->step, bytes); !status.ok()) {
      FollowerFailed(status);
      return;
    }
  }
  local_.Submit(std::move(plan));
}

void DistributedShardGroup::FollowerFailed(const Status& why) {
  local_.Fail(WithContext("a follower", why));
}

}  // namespace triptych::shard
