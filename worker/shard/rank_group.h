#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/status.h"
#include "worker/engine/shard_group.h"
#include "worker/shard/collective_watchdog.h"
#include "worker/shard/plan_bounds.h"
#include "worker/shard/rank_thread.h"

namespace triptych::shard {

struct RankGroupOptions {
  int world_size = 1;  // ranks of the whole group, here and elsewhere
  int first_rank = 0;  // this process has ranks [first_rank, first_rank + num_ranks)
  int num_ranks = 1;
  at::DeviceType device = at::kCPU;  // CUDA: the i-th rank of this process has device i
  PlanBounds bounds;
  Duration collective_stall = kCollectiveStall;  // longer on machines with more ranks than cores
  Duration start_limit =
      std::chrono::minutes(10);  // for connecting and loading, here and elsewhere
};

// The ranks of one process, each on a thread of its own: all of a group (then this is all there is
// to it), the leader's part, or a follower's. Results come from the lowest rank here; they hold
// tokens where that is rank 0. One failed or stalled rank fails the group for good: every rank here
// is made to leave its collective, and Await() wakes.
class RankGroup final : public engine::ShardGroup, private RankObserver {
 public:
  // `clock` outlives the group.
  RankGroup(RankGroupOptions options, const RankParts& parts, const Clock* clock);
  ~RankGroup() override;

  Status Start() override;
  State state() const override;
  // Plans that come before all ranks are ready wait for them.
  void Submit(std::shared_ptr<const engine::StepPlan> plan) override;
  StatusOr<engine::StepResult> Await() override;
  // Waits for each rank to reach its next collective or the end of its step.
  void Stop() override;

  // Any thread: a part of the group elsewhere is gone. The first reason stays.
  void Fail(const Status& why);
  Status failure() const;       // any thread; OK until it fails or is stopped
  size_t queued_plans() const;  // of the rank furthest behind

 private:
  void OnRankReady(int rank) override;
  void OnStepDone(int rank, engine::StepResult result) override;
  void OnRankFailed(int rank, const Status& why) override;
  bool AwaitRanks();             // false when time is up
  Duration LongestWait() const;  // of the ranks, in a collective

  const RankGroupOptions options_;
  const Clock* const clock_;
  std::vector<std::unique_ptr<RankThread>> ranks_;
  CollectiveWatchdog watchdog_;
  absl::Mutex threads_mutex_;  // held while threads are started or joined
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kStarting;
  Status failure_ ABSL_GUARDED_BY(mutex_);
  int num_ready_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<engine::StepResult> results_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triptych::shard
