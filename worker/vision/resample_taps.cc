#include "worker/vision/resample_taps.h"

#include <algorithm>
#include <cmath>

namespace triptych::vision {
namespace {

double Bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// Rounded half away from zero.
int32_t ToFixed(double weight) {
  const double scaled = weight * (1 << kTapFractionBits);
  return static_cast<int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

}  // namespace

ResampleTaps MakeTaps(int32_t in, int32_t out, ResizeFilter filter) {
  const bool bicubic = filter == ResizeFilter::kBicubic;
  const double scale = static_cast<double>(in) / out;
  const double widening = std::max(scale, 1.0);
  const double support = (bicubic ? 2.0 : 1.0) * widening;
  const double narrowing = 1.0 / widening;

  ResampleTaps taps;
  taps.width = static_cast<int32_t>(std::ceil(support)) * 2 + 1;
  taps.first.resize(out);
  taps.count.resize(out);
  taps.weights.resize(static_cast<size_t>(out) * taps.width);
  std::vector<double> exact(taps.width);
  for (int32_t place = 0; place < out; ++place) {
    const double center = (place + 0.5) * scale;
    const int32_t first = std::max(static_cast<int32_t>(center - support + 0.5), 0);
    const int32_t end = std::min(static_cast<int32_t>(center + support + 0.5), in);
    double sum = 0.0;
    for (int32_t i = 0; i < end - first; ++i) {
      const double distance = (i + first - center + 0.5) * narrowing;
      exact[i] = bicubic ? Bicubic(distance) : Bilinear(distance);
      sum += exact[i];
    }
    taps.first[place] = first;
    taps.count[place] = end - first;
    for (int32_t i = 0; i < end - first; ++i) {
      taps.weights[static_cast<size_t>(place) * taps.width + i] =
          ToFixed(sum != 0.0 ? exact[i] / sum : exact[i]);
    }
  }
  return taps;
}

}  // namespace triptych::vision
