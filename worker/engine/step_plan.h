#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"

namespace triptych::engine {

using SequenceId = uint64_t;  // never reused within a process
using BlockId = int32_t;

// How the next token is chosen; everything resolved and checked, nothing means "default" here any more.
struct SamplingParams {
  float temperature = 0;  // 0: greedy
  float top_p = 1;
  int32_t top_k = 0;      // 0: all
  float min_p = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint64_t seed = 0;
  int32_t num_beams = 1;
  float length_penalty = 1;
  int32_t top_logprobs = 0;
  std::vector<std::pair<TokenId, float>> logit_bias;

  bool UsesPenalties() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0;
  }
};

// What the sampler needs to choose one token. A function of this and the logits row alone, so that any worker of the same
// numeric identity chooses the same.
struct SampleRequest {
  std::shared_ptr<const SamplingParams> params;
  uint32_t sequence = 0;      // index within its request: keys the random numbers
  uint32_t output_index = 0;  // index of the token to be chosen: keys the random numbers
  std::vector<TokenId> penalized;  // what the repetition penalty sees; only when penalties are in use
  std::vector<TokenId> output;     // what presence and frequency penalties count; only when they are in use
  std::vector<TokenId> allowed;    // non-empty: choose among these only
  std::vector<TokenId> banned;     // for example stop tokens below min_new_tokens
  int32_t num_candidates = 0;      // > 0: beam search: no token is chosen, the best n of the processed log-probabilities come back
};

// Where rows of a picture go: tokens [offset, offset + rows) of the step are rows [first_row, first_row + rows) of its embedding.
struct EmbeddingRows {
  int32_t offset = 0;
  int32_t rows = 0;
  int32_t first_row = 0;
  EmbeddingKey key;
};

enum class LogitsWanted : uint8_t {
  kNone,  // a prefill chunk that is not the prompt's last
  kLast,  // of the last token
  kAll,   // score_only: log-probability of each next token of the prompt within and after this chunk
};

// One sequence's part of a step: `tokens` at positions first_position.., whose keys and values go into `blocks`.
struct SequenceStep {
  SequenceId id = 0;
  int32_t first_position = 0;
  std::vector<TokenId> tokens;           // kImageRow on image rows
  std::vector<EmbeddingRows> images;
  std::vector<BlockId> blocks;           // of positions [0, first_position + tokens.size()), in order
  int32_t prompt_tokens = 0;             // of the request: with dynamic NTK the rotary base hangs on it
  int32_t adapter = 0;                   // of the model's adapters; 0: none
  LogitsWanted logits = LogitsWanted::kLast;
  // kAll: targets[i] is the token after tokens[i], kImageRow where none is to be scored.
  std::vector<TokenId> targets;
  int32_t top_logprobs = 0;              // for kAll
  std::optional<SampleRequest> sample;   // with kLast
};

struct BlockCopy { BlockId from = 0; BlockId to = 0; };

// What all ranks do next. Copies come first, in order. Within a step no block is written by two sequences.
struct StepPlan {
  uint64_t step = 0;
  std::vector<BlockCopy> copies;
  std::vector<SequenceStep> sequences;
  int32_t num_tokens() const {
    int32_t n = 0;
    for (const SequenceStep& s : sequences) n += static_cast<int32_t>(s.tokens.size());
    return n;
  }
};

struct TokenLogprob { TokenId id = 0; float logprob = 0; };
struct ScoredToken {
  TokenId id = 0;
  float logprob = 0;              // log-softmax of the raw logits
  std::vector<TokenLogprob> top;  // best first, ties by lower id
};
struct SequenceResult {
  SequenceId id = 0;
  std::optional<ScoredToken> chosen;      // when sampled
  std::vector<TokenLogprob> candidates;   // beam search: processed log-probabilities, best first
  std::vector<ScoredToken> scored;        // kAll: one for each target that is not kImageRow
  std::string error;                      // not empty: this sequence alone failed (logits not finite, picture rows gone)
};
struct StepResult {
  uint64_t step = 0;
  std::vector<SequenceResult> sequences;  // in the plan's order
};

}  // namespace triptych::engine
