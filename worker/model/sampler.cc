#include "worker/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "worker/model/log_softmax.h"
#include "worker/model/logits_processors.h"
#include "worker/model/philox.h"

namespace triptych::model {
namespace {

using engine::ScoredToken;
using engine::TokenLogprob;

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

Status NotFinite() { return Internal("the model's logits are not finite"); }
Status NothingAllowed() { return InvalidArgument("no token may be chosen here"); }

// The `count` highest scores that may be chosen, best first, equals by rising id.
std::vector<TokenLogprob> Best(std::span<const float> scores, int32_t count) {
  std::vector<TokenLogprob> best;
  for (size_t id = 0; id < scores.size() && count > 0; ++id) {
    const bool is_full = static_cast<int32_t>(best.size()) == count;
    if (scores[id] == kForbidden || (is_full && scores[id] <= best.back().logprob)) continue;
    if (is_full) best.pop_back();
    const TokenLogprob entry{static_cast<TokenId>(id), scores[id]};
    best.insert(
        std::upper_bound(best.begin(),
                         best.end(),
                         entry,
                         [](const auto& a, const auto& b) { return a.logprob > b.logprob; }),
        entry);
  }
  return best;
}

ScoredToken Score(std::span<const float> logits,
                  const LogSoftmax& log_softmax,
                  TokenId token,
                  int32_t top_logprobs) {
  ScoredToken scored{.id = token,
                     .logprob = static_cast<float>(log_softmax.Of(logits[token])),
                     .top = Best(logits, top_logprobs)};
  for (TokenLogprob& entry : scored.top) {
    entry.logprob = static_cast<float>(log_softmax.Of(entry.logprob));
  }
  return scored;
}

// The tokens that may be chosen, in order of falling score, sorted only as far as they are looked
// at.
class RankedTokens {
 public:
  RankedTokens(std::span<const float> scores, double temperature) : temperature_(temperature) {
    for (size_t id = 0; id < scores.size(); ++id) {
      if (scores[id] != kForbidden) heap_.push_back({scores[id], static_cast<TokenId>(id)});
    }
    if (heap_.empty()) return;
    max_ = std::max_element(heap_.begin(), heap_.end(), Lower)->score;
    for (const Entry& entry : heap_) total_ += Weight(entry);  // in order of ids
    std::make_heap(heap_.begin(), heap_.end(), Lower);
  }

  size_t size() const { return ranked_.size() + heap_.size(); }
  double total_weight() const { return total_; }
  TokenId id(size_t rank) { return At(rank).id; }
  double weight(size_t rank) { return Weight(At(rank)); }  // 1 at rank 0

 private:
  struct Entry {
    float score;
    TokenId id;
  };
  static bool Lower(const Entry& a, const Entry& b) {
    return a.score < b.score || (a.score == b.score && a.id > b.id);
  }
  double Weight(const Entry& entry) const {
    return ExpNonPositive((static_cast<double>(entry.score) - max_) / temperature_);
  }
  const Entry& At(size_t rank) {
    while (ranked_.size() <= rank) {
      std::pop_heap(heap_.begin(), heap_.end(), Lower);
      ranked_.push_back(heap_.back());
      heap_.pop_back();
    }
    return ranked_[rank];
  }

  double temperature_;
  double max_ = 0;
  double total_ = 0;
  std::vector<Entry> heap_;
  std::vector<Entry> ranked_;
};

struct Kept {
  size_t count = 0;
  double weight = 0;
};

// How many of the ranked tokens top_k, top_p and min_p leave: at least one.
Kept KeptTokens(const engine::SamplingParams& params, RankedTokens& ranked) {
  Kept kept{ranked.size(), ranked.total_weight()};
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < kept.count) {
    kept = {static_cast<size_t>(params.top_k), 0};
    for (size_t rank = 0; rank < kept.count; ++rank) kept.weight += ranked.weight(rank);
  }
  if (params.top_p >= 1 && params.min_p <= 0) return kept;
  const double wanted = params.top_p * kept.weight;
  Kept left;
  for (; left.count < kept.count; ++left.count) {
    const double weight = ranked.weight(left.count);
    const bool is_first = left.count == 0;
    if (!is_first && (weight < params.min_p || (params.top_p < 1 && left.weight >= wanted))) break;
    left.weight += weight;
  }
  return left;
}

TokenId Draw(const engine::SampleRequest& request, RankedTokens& ranked) {
  const Kept kept = KeptTokens(*request.params, ranked);
  const double target =
      UniformAt(request.params->seed, request.sequence, request.output_index) * kept.weight;
  double passed = 0;
  for (size_t rank = 0; rank + 1 < kept.count; ++rank) {
    passed += ranked.weight(rank);
    if (passed > target) return ranked.id(rank);
  }
  return ranked.id(kept.count - 1);
}

}  // namespace

StatusOr<ScoredToken> SampleToken(std::span<const float> logits,
                                  const engine::SampleRequest& request) {
  const LogSoftmax log_softmax(logits);
  if (!log_softmax.is_finite()) return NotFinite();
  std::vector<float> scores(logits.begin(), logits.end());
  ProcessScores(request, scores);
  TokenId chosen = 0;
  if (request.params->temperature > 0) {
    RankedTokens ranked(scores, request.params->temperature);
    if (ranked.size() == 0) return NothingAllowed();
    chosen = Draw(request, ranked);
  } else {
    const auto best = std::max_element(scores.begin(), scores.end());
    if (*best == kForbidden) return NothingAllowed();
    chosen = static_cast<TokenId>(best - scores.begin());
  }
  return Score(logits, log_softmax, chosen, request.params->top_logprobs);
}

StatusOr<std::vector<TokenLogprob>> BeamCandidates(std::span<const float> logits,
                                                   const engine::SampleRequest& request) {
  const LogSoftmax log_softmax(logits);
  if (!log_softmax.is_finite()) return NotFinite();
  std::vector<float> scores(logits.size());
  std::transform(logits.begin(), logits.end(), scores.begin(), [&log_softmax](float logit) {
    return static_cast<float>(log_softmax.Of(logit));
  });
  ProcessScores(request, scores);
  std::vector<TokenLogprob> best = Best(scores, request.num_candidates);
  if (best.empty()) return NothingAllowed();
  return best;
}

StatusOr<ScoredToken> ScoreToken(std::span<const float> logits,
                                 TokenId token,
                                 int32_t top_logprobs) {
  const LogSoftmax log_softmax(logits);
  if (!log_softmax.is_finite()) return NotFinite();
  if (token < 0 || static_cast<size_t>(token) >= logits.size()) {
    return InvalidArgument("token {} is outside the vocabulary of {}", token, logits.size());
  }
  return Score(logits, log_softmax, token, top_logprobs);
}

}  // namespace triptych::model
