#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace triptych::model {

// e^x for x <= 0, to about one unit in the last place; arguments below -708 count as -708. The same
// bits on every machine that runs this build (the C library picks its own by the processor), and
// loops over it vectorise.
inline double ExpNonPositive(double x) {
  constexpr double kLog2E = 1.4426950408889634074;
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRounder = 0x1.8p52;  // adding it leaves the nearest integer in the low bits
  x = std::max(x, -708.0);
  const double shifted = x * kLog2E + kRounder;
  const double power = shifted - kRounder;
  const double r = (x - power * kLn2High) - power * kLn2Low;
  double p = 1.0 / 6227020800;  // Taylor's series, by Horner
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 1.0 / 2;
  p = p * r + 1.0;
  p = p * r + 1.0;
  return std::bit_cast<double>(std::bit_cast<uint64_t>(p) +
                               (std::bit_cast<uint64_t>(shifted) << 52));
}

// Log-probabilities of one row of logits: double accumulation in a fixed order.
class LogSoftmax {
 public:
  explicit LogSoftmax(std::span<const float> logits);

  // False when a logit is NaN or infinite: nothing else means anything then.
  bool is_finite() const { return is_finite_; }
  double Of(float logit) const { return static_cast<double>(logit) - log_total_; }

 private:
  bool is_finite_ = true;
  double log_total_ = 0;
};

}  // namespace triptych::model
