#pragma once

#include "common/status.h"
#include "worker/engine/step_plan.h"

namespace triptych::engine {

// All ranks of one model replica, threads or processes alike, as the engine thread sees them. Legal transitions:
// kStarting -> kLoading -> kReady | kFailed; kReady -> kFailed. A failed rank fails the group for good: the process exits and is
// started anew. Submit and Await: engine thread only, kReady only, at most two steps in flight, results in order.
class ShardGroup {
 public:
  enum class State { kStarting, kLoading, kReady, kFailed };
  virtual ~ShardGroup() = default;
  virtual Status Start() = 0;  // loads weights; returns when ready or failed. Progress is logged.
  virtual State state() const = 0;  // any thread
  virtual void Submit(std::shared_ptr<const StepPlan> plan) = 0;
  // kUnavailable when a rank failed or stalled: the group is kFailed.
  virtual StatusOr<StepResult> Await() = 0;
  virtual void Stop() = 0;  // idempotent, from any state and thread
};

}  // namespace triptych::engine
