#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/limits.h"
#include "common/model_card/model_card.h"
#include "common/status.h"
#include "router/validation/stopping.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// What a client has of one sequence already.
struct ReceivedSequence {
  std::vector<TokenId> ids;
  bool finished = false;
};

// Everything of a GenerateRequest but model and prompt, checked and resolved as far as it can be before the prompt is counted.
struct GenerateOptions {
  v1::Sampling sampling;  // the seed only where the client gave one
  Stopping stopping;
  std::vector<std::vector<TokenId>> choices;
  v1::Priority priority = v1::PRIORITY_NORMAL;
  int32_t top_logprobs = 0;
  bool score_only = false;
  bool progress = false;
  std::string adapter;                     // empty: none
  std::string request_id;                  // may be empty
  std::vector<ReceivedSequence> received;  // empty, or one for each sequence

  int32_t num_sequences() const { return static_cast<int32_t>(sampling.n()); }
  bool beam_search() const { return sampling.num_beams() > 1; }
};

// A request's id: few and plain characters.
Status CheckRequestId(std::string_view id, const RequestLimits& limits);

// Refuses what is out of range and what contradicts itself; the error names the field and what is allowed.
StatusOr<GenerateOptions> CheckOptions(const v1::GenerateRequest& request,
                                       const ModelCard& card,
                                       const RequestLimits& limits);

// The number of new tokens to allow: what was asked for, else the model's default cut to what the context leaves. Refuses a
// prompt that leaves too little.
StatusOr<int32_t> ResolveMaxNewTokens(const GenerateOptions& options,
                                      const ModelCard& card,
                                      int32_t prompt_tokens,
                                      int32_t image_tokens);

}  // namespace triptych::router
