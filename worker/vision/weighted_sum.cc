#include "worker/vision/weighted_sum.h"

#include <algorithm>

#include "worker/vision/resample_taps.h"

// Highway compiles what is between BEFORE_NAMESPACE and AFTER_NAMESPACE once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/vision/weighted_sum.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace triptych::vision::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void WeightedSumVector(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int32_t taps, uint8_t* out, int32_t lanes) {
  const hn::ScalableTag<int32_t> wide;
  const hn::Rebind<uint8_t, decltype(wide)> narrow;
  const auto half = hn::Set(wide, 1 << (kTapFractionBits - 1));
  const int32_t step = static_cast<int32_t>(hn::Lanes(wide));
  int32_t i = 0;
  for (; i + step <= lanes; i += step) {
    auto sum = half;
    const uint8_t* source = in + i;
    for (int32_t t = 0; t < taps; ++t, source += stride) {
      const auto pixels = hn::PromoteTo(wide, hn::LoadU(narrow, source));
      sum = hn::Add(sum, hn::Mul(pixels, hn::Set(wide, weights[t])));
    }
    hn::StoreU(hn::DemoteTo(narrow, hn::ShiftRight<kTapFractionBits>(sum)), narrow, out + i);  // saturates
  }
  for (; i < lanes; ++i) {
    int32_t sum = 1 << (kTapFractionBits - 1);
    for (int32_t t = 0; t < taps; ++t) sum += in[t * stride + i] * weights[t];
    out[i] = static_cast<uint8_t>(std::clamp(sum >> kTapFractionBits, 0, 255));
  }
}

}  // namespace triptych::vision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::vision {

HWY_EXPORT(WeightedSumVector);

void WeightedSum(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int32_t taps, uint8_t* out, int32_t lanes) {
  HWY_DYNAMIC_DISPATCH(WeightedSumVector)(in, stride, weights, taps, out, lanes);
}

}  // namespace triptych::vision
#endif  // HWY_ONCE
