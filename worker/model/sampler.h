#pragma once

#include <span>
#include <vector>

#include "common/status.h"
#include "worker/engine/step_plan.h"

namespace triptych::model {

// From a row of logits to a token. All are functions of their arguments alone, thread-safe, with
// every sum in a fixed order, so that any worker of the same numeric identity chooses the same.
// kInternal when a logit is not finite; the fault of that sequence's numbers, not of the step.

// Greedy: the highest processed score, the lowest id of equals. Otherwise temperature, top_k,
// top_p, min_p in that order, then inverse CDF over what is kept, in order of falling probability
// (equals by rising id), at the uniform number of (seed, sequence, output index). The
// log-probability and the best tokens reported are of the raw logits. kInvalidArgument when nothing
// may be chosen.
StatusOr<engine::ScoredToken> SampleToken(std::span<const float> logits,
                                          const engine::SampleRequest& request);

// Beam search: the best request.num_candidates of the processed log-probabilities, equals by rising
// id; fewer when less may be chosen. Penalties work on log-probabilities, as transformers 4.33
// does.
StatusOr<std::vector<engine::TokenLogprob>> BeamCandidates(std::span<const float> logits,
                                                           const engine::SampleRequest& request);

// What the logits say of a token that is there already.
StatusOr<engine::ScoredToken> ScoreToken(std::span<const float> logits,
                                         TokenId token,
                                         int32_t top_logprobs);

}  // namespace triptych::model
