#include "worker/vision/clip_line.h"

// Highway compiles what is between BEFORE_NAMESPACE and AFTER_NAMESPACE once for each instruction
// set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/vision/clip_line.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace triptych::vision::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kColors = 3;
constexpr int64_t kMaxPixelsAtOnce = 16;
constexpr float kMean[kColors] = {0.48145466f, 0.4578275f, 0.40821073f};
constexpr float kDeviation[kColors] = {0.26862954f, 0.26130258f, 0.27577711f};

// x / divisor, rounded as a division rounds. Where there are fused multiply-adds, by a product with
// the reciprocal and a correction of it (Markstein 1990), in a third of a division's time: exact for
// every byte and colour, as a test holds.
template <class Tag, class Vector>
Vector Quotient(Tag tag, Vector x, float divisor) {
#if HWY_NATIVE_FMA
  const auto reciprocal = hn::Set(tag, 1 / divisor);
  const auto guess = hn::Mul(x, reciprocal);
  const auto rest = hn::NegMulAdd(guess, hn::Set(tag, divisor), x);
  return hn::MulAdd(rest, reciprocal, guess);
#else
  return hn::Div(x, hn::Set(tag, divisor));
#endif
}

// As many pixels as the tag has lanes.
template <class Tag>
void NormalizePixels(Tag bytes, const uint8_t* rgb, int64_t first, const std::array<float*, 3>& out) {
  const hn::CappedTag<float, 8> wide;
  const hn::Rebind<int32_t, decltype(wide)> whole;
  const hn::Rebind<uint8_t, decltype(wide)> narrow;
  alignas(kMaxPixelsAtOnce) uint8_t colors[kColors][kMaxPixelsAtOnce];
  hn::Vec<Tag> red, green, blue;
  hn::LoadInterleaved3(bytes, rgb + first * kColors, red, green, blue);
  hn::Store(red, bytes, colors[0]);
  hn::Store(green, bytes, colors[1]);
  hn::Store(blue, bytes, colors[2]);
  for (int64_t color = 0; color < kColors; ++color) {
    for (size_t i = 0; i < hn::Lanes(bytes); i += hn::Lanes(wide)) {
      const auto stored = hn::LoadU(narrow, colors[color] + i);
      const auto value = hn::ConvertTo(wide, hn::PromoteTo(whole, stored));
      const auto centered = hn::Sub(Quotient(wide, value, 255.0f), hn::Set(wide, kMean[color]));
      hn::StoreU(Quotient(wide, centered, kDeviation[color]), wide, out[color] + first + i);
    }
  }
}

void NormalizeLineVector(const uint8_t* rgb, int64_t pixels, const std::array<float*, 3>& out) {
  const hn::CappedTag<uint8_t, kMaxPixelsAtOnce> bytes;
  const auto step = static_cast<int64_t>(hn::Lanes(bytes));
  int64_t first = 0;
  for (; first + step <= pixels; first += step) NormalizePixels(bytes, rgb, first, out);
  for (; first < pixels; ++first) {
    for (int64_t color = 0; color < kColors; ++color) {
      const float value = static_cast<float>(rgb[first * kColors + color]) / 255.0f;
      out[color][first] = (value - kMean[color]) / kDeviation[color];
    }
  }
}

}  // namespace triptych::vision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::vision {

HWY_EXPORT(NormalizeLineVector);

void NormalizeLine(const uint8_t* rgb, int64_t pixels, const std::array<float*, 3>& out) {
  HWY_DYNAMIC_DISPATCH(NormalizeLineVector)(rgb, pixels, out);
}

}  // namespace triptych::vision
#endif  // HWY_ONCE
