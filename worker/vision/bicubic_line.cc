#include "worker/vision/bicubic_line.h"

// Highway compiles what is between BEFORE_NAMESPACE and AFTER_NAMESPACE once for each instruction
// set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/vision/bicubic_line.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace triptych::vision::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Exact in float32.
constexpr float kOuter = -0.09375f;
constexpr float kInner = 0.59375f;

template <class Tag>
void MiddleAt(Tag tag, const float* before2, const float* before, const float* behind,
              const float* behind2, int64_t i, float* out) {
  const auto outer = hn::Set(tag, kOuter), inner = hn::Set(tag, kInner);
  auto sum = hn::Mul(hn::LoadU(tag, before + i), inner);
  sum = hn::MulAdd(hn::LoadU(tag, before2 + i), outer, sum);
  sum = hn::MulAdd(hn::LoadU(tag, behind + i), inner, sum);
  sum = hn::MulAdd(hn::LoadU(tag, behind2 + i), outer, sum);
  hn::StoreU(sum, tag, out + i);
}

void BicubicMiddleVector(const float* before2, const float* before, const float* behind,
                         const float* behind2, int64_t count, float* out) {
  const hn::ScalableTag<float> wide;
  const hn::CappedTag<float, 1> one;
  const auto step = static_cast<int64_t>(hn::Lanes(wide));
  int64_t i = 0;
  for (; i + step <= count; i += step) MiddleAt(wide, before2, before, behind, behind2, i, out);
  for (; i < count; ++i) MiddleAt(one, before2, before, behind, behind2, i, out);
}

}  // namespace triptych::vision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::vision {

HWY_EXPORT(BicubicMiddleVector);

void BicubicMiddle(const float* before2, const float* before, const float* behind,
                   const float* behind2, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(BicubicMiddleVector)(before2, before, behind, behind2, count, out);
}

}  // namespace triptych::vision
#endif  // HWY_ONCE
