#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "worker/engine/block_pool.h"
#include "worker/engine/engine_loop.h"
#include "worker/engine/prefix_cache.h"
#include "worker/engine/request.h"
#include "worker/engine/sequence.h"
#include "worker/engine/step_plan.h"

namespace triptych::engine {

// Continuous batching: which tokens of which sequences the next step computes, and what its results mean. Pure bookkeeping: the same calls give
// the same plans. Engine thread only. The order is Admit, PlanStep, Commit, with at most one plan out; Cancel and the other notices come between
// Commit and PlanStep, so blocks that they free are used by no running step.
class Scheduler {
 public:
  Scheduler(EngineOptions options, EngineStats* stats, PrefixCacheObserver* observer);

  // What can never fit is kInvalidArgument. Static: any thread may ask before it submits.
  static Status CheckFits(const Request& request, const EngineOptions& options);

  void Admit(std::unique_ptr<Request> request, std::shared_ptr<RequestSink> sink, TimePoint now);
  StepPlan PlanStep(TimePoint now);  // empty: nothing can run
  void Commit(const StepPlan& plan, const StepResult& result, TimePoint now);

  void Cancel(RequestId id);
  void StopSequence(RequestId id, int32_t index, TimePoint now);
  void SetEmbeddingRows(const EmbeddingKey& key, int32_t rows);
  void FailRequest(RequestId id, const Status& why);
  void FailAll(const Status& why);
  bool idle() const { return requests_.empty(); }

 private:
  struct Running {  // where a sequence id leads
    RequestState* request;
    Sequence* sequence;
  };
  using Order = std::pair<TimePoint, RequestId>;

  // Planning.
  void PlanRequests(const std::vector<RequestState*>& requests, StepPlan* plan, TimePoint now);
  bool PlanSequence(RequestState& request, Sequence& sequence, int32_t* budget, StepPlan* plan, TimePoint now);
  bool MayStart(const RequestState& request, const Sequence& sequence) const;
  bool Start(RequestState& request, Sequence& sequence);
  int32_t LastComputable(RequestState& request, const Sequence& sequence, int32_t wanted_end, TimePoint now);
  bool GrowBlocks(RequestState& request, Sequence& sequence, int32_t tokens);
  bool PreemptOne(const RequestState& for_request);
  void Preempt(RequestState& request);
  SequenceStep MakeStep(const RequestState& request, const Sequence& sequence, int32_t end) const;
  SampleRequest MakeSample(const RequestState& request, const Sequence& sequence) const;
  void NotePlanned(RequestState& request, const Sequence& sequence, TimePoint now);

  // Committing.
  void CommitSequence(RequestState& request, Sequence& sequence, const SequenceStep& step, const SequenceResult& result, TimePoint now);
  void StoreBlocks(RequestState& request, Sequence& sequence);
  void AcceptToken(RequestState& request, Sequence& sequence, ScoredToken token, TimePoint now);
  void AdvanceBeams(RequestState& request, TimePoint now);
  void ForkBeams(RequestState& request, const std::vector<BeamSearch::Continuation>& beams);
  void FinishBeams(RequestState& request, bool stopped, TimePoint now);
  void FinishSequence(RequestState& request, Sequence& sequence, FinishReason reason, double score, TimePoint now);
  RequestTimings TimingsOf(const RequestState& request, TimePoint now) const;

  void ReleaseBlocks(Sequence& sequence);
  void Remove(RequestId id);
  RequestState* FindRequest(RequestId id);
  void UpdateGauges();

  const EngineOptions options_;
  EngineStats* const stats_;
  BlockPool pool_;
  PrefixCache cache_;
  std::map<Order, std::unique_ptr<RequestState>> requests_;  // in the order in which they are served
  std::unordered_map<RequestId, Order> orders_;
  std::unordered_map<SequenceId, Running> by_sequence_;
  std::unordered_map<EmbeddingKey, int32_t> embedding_rows_;  // of keys that live requests name
  std::vector<BlockCopy> copies_;                             // beams that forked: for the next plan
  SequenceId next_sequence_ = 1;
  uint64_t next_step_ = 1;
  int32_t num_running_ = 0;  // sequences
  bool alone_had_turn_ = false;  // the last step was one request's alone
};

}  // namespace triptych::engine
