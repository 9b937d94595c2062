#include "worker/model/log_softmax.h"

#include <array>
#include <cmath>

namespace triptych::model {
namespace {

constexpr size_t kLanes = 8;  // independent sums, so that the loop vectorises; part of the result

double SumExp(std::span<const float> logits, double max) {
  std::array<double, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += ExpNonPositive(logits[i + lane] - max);
    }
  }
  for (; i < logits.size(); ++i) sums[i % kLanes] += ExpNonPositive(logits[i] - max);
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

LogSoftmax::LogSoftmax(std::span<const float> logits) {
  if (logits.empty()) {
    is_finite_ = false;
    return;
  }
  float max = logits[0];
  for (const float logit : logits) {
    is_finite_ = is_finite_ && std::isfinite(logit);
    max = std::max(max, logit);
  }
  if (is_finite_) log_total_ = max + std::log(SumExp(logits, max));
}

}  // namespace triptych::model
