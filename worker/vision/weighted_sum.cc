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

constexpr int32_t kVectorsAtOnce = 3;

// The sums of neighbouring vectors, each weight read once for all.
template <int32_t vectors>
void SumVectors(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int32_t taps, uint8_t* out) {
  const hn::ScalableTag<int32_t> wide;
  const hn::Rebind<uint8_t, decltype(wide)> narrow;
  const auto step = static_cast<ptrdiff_t>(hn::Lanes(wide));
  hn::Vec<decltype(wide)> sums[vectors];
  for (auto& sum : sums) sum = hn::Set(wide, 1 << (kTapFractionBits - 1));
  for (int32_t t = 0; t < taps; ++t, in += stride) {
    const auto weight = hn::Set(wide, weights[t]);
    for (int32_t v = 0; v < vectors; ++v) {
      const auto pixels = hn::PromoteTo(wide, hn::LoadU(narrow, in + v * step));
      sums[v] = hn::Add(sums[v], hn::Mul(pixels, weight));
    }
  }
  for (int32_t v = 0; v < vectors; ++v) {  // demoting saturates
    hn::StoreU(hn::DemoteTo(narrow, hn::ShiftRight<kTapFractionBits>(sums[v])), narrow, out + v * step);
  }
}

void WeightedSumVector(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int32_t taps, uint8_t* out, int32_t lanes) {
  const auto step = static_cast<int32_t>(hn::Lanes(hn::ScalableTag<int32_t>()));
  const int32_t several = kVectorsAtOnce * step;
  int32_t i = 0;
  for (; i + several <= lanes; i += several) SumVectors<kVectorsAtOnce>(in + i, stride, weights, taps, out + i);
  for (; i + step <= lanes; i += step) SumVectors<1>(in + i, stride, weights, taps, out + i);
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
