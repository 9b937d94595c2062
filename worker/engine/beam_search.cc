#include "worker/engine/beam_search.h"

#include <algorithm>
#include <cmath>

#include "common/check.h"

namespace triptych::engine {

BeamSearch::BeamSearch(int32_t num_beams, float length_penalty, std::vector<TokenId> stop_ids)
    : num_beams_(num_beams), length_penalty_(length_penalty), stop_ids_(std::move(stop_ids)) {}

double BeamSearch::Score(double sum, size_t output_tokens) const {
  return sum / std::pow(static_cast<double>(output_tokens + 1), length_penalty_);
}

void BeamSearch::Add(std::vector<TokenId> output, double sum) {
  const double score = Score(sum, output.size());
  const auto worst = std::ranges::min_element(found_, {}, &Hypothesis::score);
  if (std::cmp_equal(found_.size(), num_beams_)) {
    if (score <= worst->score) return;
    found_.erase(worst);
  }
  found_.push_back({std::move(output), score});
}

// No live beam, even at its best sum so far, could end better than the worst that was found. `output_tokens` counts the token just chosen.
bool BeamSearch::CannotImprove(double best_sum, size_t output_tokens) const {
  if (std::cmp_less(found_.size(), num_beams_)) return false;
  const double worst = std::ranges::min_element(found_, {}, &Hypothesis::score)->score;
  return worst >= Score(best_sum, output_tokens);
}

std::vector<BeamSearch::Continuation> BeamSearch::Advance(std::span<const std::vector<TokenId>> outputs,
                                                          std::span<const std::vector<TokenLogprob>> candidates) {
  TRIPTYCH_CHECK(!done_ && outputs.size() == sums_.size() && candidates.size() == sums_.size());
  std::vector<Continuation> all;
  for (size_t beam = 0; beam < sums_.size(); ++beam) {
    for (const TokenLogprob& candidate : candidates[beam]) {
      all.push_back({static_cast<int32_t>(beam), candidate.id, sums_[beam] + candidate.logprob});
    }
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Continuation::sum);
  all.resize(std::min<size_t>(all.size(), 2 * num_beams_));
  std::vector<Continuation> next;
  for (size_t rank = 0; rank < all.size() && std::cmp_less(next.size(), num_beams_); ++rank) {
    const Continuation& candidate = all[rank];
    const bool stops = std::ranges::find(stop_ids_, candidate.token) != stop_ids_.end();
    if (!stops) {
      next.push_back(candidate);
    } else if (std::cmp_less(rank, num_beams_)) {
      Add(outputs[candidate.parent], candidate.sum);
    }
  }
  done_ = next.empty() || CannotImprove(all.front().sum, outputs.front().size() + 1);
  if (done_) return {};
  sums_.clear();
  for (const Continuation& beam : next) sums_.push_back(beam.sum);
  return next;
}

std::vector<BeamSearch::Hypothesis> BeamSearch::Finish(std::span<const std::vector<TokenId>> outputs, int32_t n) {
  if (!done_) {
    for (size_t beam = 0; beam < outputs.size(); ++beam) Add(outputs[beam], sums_[beam]);
    done_ = true;
  }
  std::ranges::stable_sort(found_, std::ranges::greater(), &Hypothesis::score);
  found_.resize(std::min<size_t>(found_.size(), n));
  return found_;
}

}  // namespace triptych::engine
