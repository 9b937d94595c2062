#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include <ATen/core/Tensor.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/status.h"
#include "worker/comm/communicator.h"
#include "worker/engine/step_plan.h"
#include "worker/model/model_runner.h"
#include "worker/shard/embedding_source.h"
#include "worker/shard/timed_communicator.h"

namespace triptych::shard {

// What a rank is made of. The makers are called on the rank's thread and may block and throw.
struct RankParts {
  std::function<StatusOr<std::unique_ptr<comm::Communicator>>(int rank)> make_communicator;
  std::function<StatusOr<std::unique_ptr<model::ModelRunner>>(comm::Communicator&, at::Device)>
      make_runner;
  EmbeddingSource* embeddings = nullptr;  // for rank 0; not owned
  int64_t hidden_size = 0;
  uint64_t fingerprint = 0;  // of weights and settings: must be equal on all ranks
  int num_threads = 1;       // of the rank's CPU slice, its own included
};

// Told by a rank's thread how it fares.
class RankObserver {
 public:
  virtual ~RankObserver() = default;
  virtual void OnRankReady(int rank) = 0;  // all ranks of the group, everywhere, have loaded
  virtual void OnStepDone(int rank, engine::StepResult result) = 0;  // with tokens on rank 0
  virtual void OnRankFailed(int rank, const Status& why) = 0;        // the last call
};

// One rank: its thread owns the device, the CPU team, the communicator and the runner, and is the
// one place where exceptions of libtorch and of collectives are caught. After construction:
// Start(), then Submit() once ready, at last Abort() and Join(); all from any thread but the rank's
// own.
class RankThread {
 public:
  // `clock` and `observer` outlive the rank.
  RankThread(
      int rank, at::Device device, RankParts parts, const Clock* clock, RankObserver* observer);
  ~RankThread();

  void Start();
  void Submit(std::shared_ptr<const engine::StepPlan> plan);
  // Ends the thread as soon as it looks: at its next collective, plan or stage of loading. From the
  // rank's own thread too.
  void Abort(const Status& why);
  void Join();  // after Abort()

  std::optional<TimePoint> blocked_since() const;  // see TimedCommunicator
  size_t queued_plans() const;

 private:
  void Run();
  Status Work();
  StatusOr<std::unique_ptr<model::ModelRunner>> SetUp();
  StatusOr<TimedCommunicator*> MakeCommunicator();
  std::shared_ptr<const engine::StepPlan> NextPlan();  // null when aborted
  engine::StepResult Step(const engine::StepPlan& plan, model::ModelRunner& runner);

  const int rank_;
  const at::Device device_;
  const RankParts parts_;
  const Clock* const clock_;
  RankObserver* const observer_;
  std::thread thread_;
  mutable absl::Mutex mutex_;
  Status aborted_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<const engine::StepPlan>> plans_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<TimedCommunicator> communicator_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triptych::shard
