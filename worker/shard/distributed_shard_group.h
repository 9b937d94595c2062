#pragma once

#include <memory>
#include <vector>

#include "worker/engine/shard_group.h"
#include "worker/shard/plan_channel.h"
#include "worker/shard/rank_group.h"

namespace triptych::shard {

// The leader's side of a group over several processes: ranks [0, k) here, the others behind
// channels. Plans go to the followers first, results come from rank 0. Start() returns when all
// ranks everywhere have loaded. Threads as engine::ShardGroup.
class DistributedShardGroup final : public engine::ShardGroup {
 public:
  // options.first_rank is 0; `clock` outlives the group.
  DistributedShardGroup(RankGroupOptions options,
                        const RankParts& parts,
                        std::vector<std::unique_ptr<PlanChannel>> followers,
                        const Clock* clock);

  Status Start() override { return local_.Start(); }
  State state() const override { return local_.state(); }
  void Submit(std::shared_ptr<const engine::StepPlan> plan) override;
  StatusOr<engine::StepResult> Await() override { return local_.Await(); }
  void Stop() override { local_.Stop(); }

  // Any thread: a follower's stream broke, or it reported an error.
  void FollowerFailed(const Status& why);

 private:
  const std::vector<std::unique_ptr<PlanChannel>> followers_;
  RankGroup local_;
};

}  // namespace triptych::shard
