#include "worker/model/logits_processors.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace triptych::model {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

bool IsToken(TokenId id, std::span<const float> scores) {
  return id >= 0 && static_cast<size_t>(id) < scores.size();
}

void PenalizeRepetition(std::vector<TokenId> seen, float penalty, std::span<float> scores) {
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const TokenId id : seen) {
    if (!IsToken(id, scores)) continue;
    scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
  }
}

void PenalizePresence(std::vector<TokenId> output,
                      const engine::SamplingParams& params,
                      std::span<float> scores) {
  std::sort(output.begin(), output.end());
  for (auto begin = output.begin(); begin != output.end();) {
    const auto end = std::upper_bound(begin, output.end(), *begin);
    if (IsToken(*begin, scores)) {
      const float count = static_cast<float>(end - begin);
      scores[*begin] -= params.presence_penalty + params.frequency_penalty * count;
    }
    begin = end;
  }
}

void KeepOnly(const std::vector<TokenId>& allowed, std::span<float> scores) {
  std::vector<std::pair<TokenId, float>> kept;
  for (const TokenId id : allowed) {
    if (IsToken(id, scores)) kept.emplace_back(id, scores[id]);
  }
  std::fill(scores.begin(), scores.end(), kForbidden);
  for (const auto& [id, score] : kept) scores[id] = score;
}

}  // namespace

void ProcessScores(const engine::SampleRequest& request, std::span<float> scores) {
  const engine::SamplingParams& params = *request.params;
  if (params.repetition_penalty != 1) {
    PenalizeRepetition(request.penalized, params.repetition_penalty, scores);
  }
  if (params.presence_penalty != 0 || params.frequency_penalty != 0) {
    PenalizePresence(request.output, params, scores);
  }
  for (const auto& [id, bias] : params.logit_bias) {
    if (IsToken(id, scores)) scores[id] += bias;
  }
  if (!request.allowed.empty()) KeepOnly(request.allowed, scores);
  for (const TokenId id : request.banned) {
    if (IsToken(id, scores)) scores[id] = kForbidden;
  }
}

}  // namespace triptych::model
