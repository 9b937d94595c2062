#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/hash/block_hash.h"
#include "common/ids.h"
#include "common/status.h"
#include "worker/engine/step_plan.h"

namespace triptych::engine {

using RequestId = uint64_t;  // the engine's own number for a request; never reused within a process

enum class FinishReason : uint8_t { kStop, kLength, kCancelled };
enum class Priority : uint8_t { kInteractive, kNormal, kBatch };

// What has been relayed of one sequence before its last worker died.
struct ResumedSequence {
  std::vector<TokenId> output;
  bool finished = false;
};

// A request as the engine runs it: checked against the model and the limits by the decoder service before it comes here.
struct Request {
  RequestId id = 0;
  std::string prefix_salt;               // tenant, adapter, numeric identity
  int32_t adapter = 0;                   // of the model's adapters, applied to every token; 0: none
  std::vector<TokenId> prompt;           // kImageRow on image rows
  std::vector<KeyedSpan> images;         // in order of position
  std::shared_ptr<const SamplingParams> sampling;
  int32_t num_sequences = 1;             // n; with beams: how many of the best are returned
  int32_t max_new_tokens = 0;
  int32_t min_new_tokens = 0;
  std::vector<TokenId> stop_token_ids;
  std::vector<std::vector<TokenId>> choices;   // non-empty: each output is one of these
  Priority priority = Priority::kNormal;
  bool score_only = false;
  bool alone = false;                    // in steps of its own
  bool penalty_sees_prompt = false;
  TokenId bos = 1;                       // what the repetition penalty sees in the prompt's stead; -1: nothing
  bool progress = false;
  std::vector<ResumedSequence> resume;   // empty, or one for each sequence
};

struct RequestTimings {
  Duration transfer{};  // waiting for image rows with nothing else to do
  Duration queue{};
  Duration prefill{};
  Duration decode{};
};

// What happens to a request. Called on the engine thread; implementations only post elsewhere. After OnFailed, or OnFinished of the
// last sequence, nothing more comes.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  virtual void OnAdmitted(int32_t cached_tokens) = 0;                    // once, when its first step is planned
  virtual void OnProgress(int32_t prefilled, int32_t total) = 0;         // only if asked for
  virtual void OnTokens(int32_t sequence, int32_t offset, std::vector<ScoredToken> tokens) = 0;
  virtual void OnFinished(int32_t sequence,
                          FinishReason reason,
                          int32_t output_tokens,
                          double score,
                          std::vector<ScoredToken> prompt_scores,
                          RequestTimings timings) = 0;
  virtual void OnFailed(Status why) = 0;
};

}  // namespace triptych::engine
