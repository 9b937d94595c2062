// The 16 virtual lanes on which every reduction runs, for the Highway target being compiled: one AVX-512 register or two AVX2 ones, with
// the same arithmetic lane by lane, so that both give the same bits. Included once for each target (no #pragma once).
#if defined(TRIPTYCH_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIPTYCH_KERNELS_LANES_INL_H_
#undef TRIPTYCH_KERNELS_LANES_INL_H_
#else
#define TRIPTYCH_KERNELS_LANES_INL_H_
#endif

#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using IntTag = hn::RebindToSigned<FloatTag>;
using BfTag = hn::Rebind<hwy::bfloat16_t, FloatTag>;
using Vec = hn::Vec<FloatTag>;

inline constexpr int kLanes = 16;
inline constexpr int kWidth = static_cast<int>(hn::MaxLanes(FloatTag()));
inline constexpr int kVecs = kLanes / kWidth;

struct Lanes {
  Vec v[kVecs];
};

HWY_INLINE Lanes Fill(float value) {
  Lanes r;
  for (int i = 0; i < kVecs; ++i) r.v[i] = hn::Set(FloatTag(), value);
  return r;
}
HWY_INLINE Lanes Load16(const float* from) {
  Lanes r;
  for (int i = 0; i < kVecs; ++i) r.v[i] = hn::LoadU(FloatTag(), from + i * kWidth);
  return r;
}
HWY_INLINE Lanes Load16(const hwy::bfloat16_t* from) {
  Lanes r;
  for (int i = 0; i < kVecs; ++i) r.v[i] = hn::PromoteTo(FloatTag(), hn::LoadU(BfTag(), from + i * kWidth));
  return r;
}
HWY_INLINE void Store16(const Lanes& a, float* to) {
  for (int i = 0; i < kVecs; ++i) hn::StoreU(a.v[i], FloatTag(), to + i * kWidth);
}
// The first `n` of 16 floats, zeros behind; reads nothing else.
HWY_INLINE Lanes LoadFirst(const float* from, int n) {
  Lanes r;
  for (int i = 0; i < kVecs; ++i) {
    const int left = HWY_MIN(HWY_MAX(n - i * kWidth, 0), kWidth);
    r.v[i] = hn::MaskedLoad(hn::FirstN(FloatTag(), left), FloatTag(), from + i * kWidth);
  }
  return r;
}
HWY_INLINE void StoreFirst(const Lanes& a, int n, float* to) {
  HWY_ALIGN float buffer[kLanes];
  Store16(a, buffer);
  for (int i = 0; i < n; ++i) to[i] = buffer[i];
}

#define TRIPTYCH_LANEWISE(Name, Op)                                     \
  HWY_INLINE Lanes Name(const Lanes& a, const Lanes& b) {               \
    Lanes r;                                                            \
    for (int i = 0; i < kVecs; ++i) r.v[i] = hn::Op(a.v[i], b.v[i]);    \
    return r;                                                           \
  }
TRIPTYCH_LANEWISE(Add, Add)
TRIPTYCH_LANEWISE(Sub, Sub)
TRIPTYCH_LANEWISE(Mul, Mul)
TRIPTYCH_LANEWISE(Div, Div)
TRIPTYCH_LANEWISE(Max, Max)
#undef TRIPTYCH_LANEWISE

HWY_INLINE Lanes MulAdd(const Lanes& a, const Lanes& b, const Lanes& c) {
  Lanes r;
  for (int i = 0; i < kVecs; ++i) r.v[i] = hn::MulAdd(a.v[i], b.v[i], c.v[i]);
  return r;
}

// The one tree by which 16 lanes become one number.
HWY_INLINE float SumTree(const Lanes& a) {
  HWY_ALIGN float lane[kLanes];
  Store16(a, lane);
  for (int step = kLanes / 2; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) lane[i] += lane[i + step];
  }
  return lane[0];
}
HWY_INLINE float MaxTree(const Lanes& a) {
  HWY_ALIGN float lane[kLanes];
  Store16(a, lane);
  float most = lane[0];
  for (int i = 1; i < kLanes; ++i) most = HWY_MAX(most, lane[i]);
  return most;
}

// e^x by Cephes' polynomial for single precision, within 2 units in the last place; 0 below -87.3, and no greater than e^88.
HWY_INLINE Vec ExpVec(Vec x) {
  const FloatTag d;
  const IntTag di;
  const Vec low = hn::Set(d, -87.3f);
  const auto vanishes = hn::Lt(x, low);
  x = hn::Min(hn::Max(x, low), hn::Set(d, 88.0f));
  const auto n = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504088896341f)));
  const Vec nf = hn::ConvertTo(d, n);
  Vec r = hn::NegMulAdd(nf, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(nf, hn::Set(d, -2.12194440e-4f), r);
  Vec p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  const Vec y = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  const Vec scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
  return hn::IfThenZeroElse(vanishes, hn::Mul(y, scale));
}
HWY_INLINE Lanes Exp(const Lanes& a) {
  Lanes r;
  for (int i = 0; i < kVecs; ++i) r.v[i] = ExpVec(a.v[i]);
  return r;
}

}  // namespace triptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
