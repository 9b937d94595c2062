#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/ids.h"
#include "worker/engine/step_plan.h"

namespace triptych::engine {

// Beam search as transformers 4.33 does it (BeamSearchScorer, early_stopping False), bookkeeping alone. The length of a hypothesis counts the
// BOS with which generate() begins when it is given embeddings.
class BeamSearch {
 public:
  struct Hypothesis {
    std::vector<TokenId> output;
    double score = 0;  // sum of log-probabilities / length ^ length_penalty
  };
  // A beam that lives on: `parent`'s output and one token more.
  struct Continuation {
    int32_t parent = 0;
    TokenId token = 0;
    double sum = 0;
  };

  BeamSearch(int32_t num_beams, float length_penalty, std::vector<TokenId> stop_ids);

  // One step: each live beam's output so far and its best 2 * num_beams candidates (fewer where not as many are allowed). Gives the beams
  // that live on, best first; none when the search is over.
  std::vector<Continuation> Advance(std::span<const std::vector<TokenId>> outputs,
                                    std::span<const std::vector<TokenLogprob>> candidates);
  bool done() const { return done_; }
  // The best `n`, best first; beams that still live take part when the search was cut short.
  std::vector<Hypothesis> Finish(std::span<const std::vector<TokenId>> outputs, int32_t n);

 private:
  void Add(std::vector<TokenId> output, double sum);
  double Score(double sum, size_t output_tokens) const;
  bool CannotImprove(double best_sum, size_t output_tokens) const;

  const int32_t num_beams_;
  const double length_penalty_;
  const std::vector<TokenId> stop_ids_;
  std::vector<double> sums_ = {0};  // of the live beams
  std::vector<Hypothesis> found_;   // at most num_beams, unordered
  bool done_ = false;
};

}  // namespace triptych::engine
