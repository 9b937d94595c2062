#include "worker/kernels/quantized_linear_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/kernels/quantized_linear_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "worker/kernels/linear_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {

// Inputs whose weights are widened at a time: those of four panels take 16 KiB, half of a level-1
// cache.
constexpr int64_t kBlockInputs = 64;

using ByteTag = hn::Rebind<uint8_t, FloatTag>;
using Bytes = hn::Vec<ByteTag>;

#if HWY_TARGET == HWY_SCALAR  // has no vectors to put together
template <int Bits>
HWY_INLINE Lanes LoadCodes(const uint8_t* from) {
  Lanes r;
  for (int i = 0; i < kLanes; ++i) {
    constexpr int kHalf = kLanes / 2;
    const int code = Bits == 8 ? from[i] : i < kHalf ? from[i] & 15 : from[i - kHalf] >> 4;
    r.v[i] = hn::Set(FloatTag(), static_cast<float>(code));
  }
  return r;
}
#else
HWY_INLINE Vec ToFloat(Bytes bytes) {
  return hn::ConvertTo(FloatTag(), hn::PromoteTo(IntTag(), bytes));
}

template <int Bits>
HWY_INLINE Lanes LoadCodes(const uint8_t* from) {
  Lanes r;
  if constexpr (Bits == 8) {
    for (int i = 0; i < kVecs; ++i) r.v[i] = ToFloat(hn::LoadU(ByteTag(), from + i * kWidth));
  } else if constexpr (kVecs == 1) {
    const hn::Half<ByteTag> half;
    const auto both = hn::LoadU(half, from);
    const auto low = hn::And(both, hn::Set(half, uint8_t{15}));
    r.v[0] = ToFloat(hn::Combine(ByteTag(), hn::ShiftRight<4>(both), low));
  } else {
    constexpr int kLowVecs = kVecs / 2;
    for (int i = 0; i < kLowVecs; ++i) {
      const Bytes both = hn::LoadU(ByteTag(), from + i * kWidth);
      r.v[i] = ToFloat(hn::And(both, hn::Set(ByteTag(), uint8_t{15})));
      r.v[i + kLowVecs] = ToFloat(hn::ShiftRight<4>(both));
    }
  }
  return r;
}
#endif

// The weights of one panel for inputs [begin, end), widened: [end - begin, 16].
template <int Bits>
HWY_INLINE void Widen(
    const QuantizedLinearCpuArgs& args, int64_t panel, int64_t begin, int64_t end, float* to) {
  constexpr int kBytes = kLanes * Bits / 8;  // of one input
  const uint8_t* codes = args.codes + (panel * args.linear.in + begin) * kBytes;
  const float* const scales = args.scales + panel * args.groups * kLanes;
  const uint8_t* const zeros = args.zeros + panel * args.groups * kLanes;
  for (int64_t k = begin; k < end;) {
    const int32_t group = args.group_of[k];
    const Lanes scale = Load16(scales + group * kLanes);
    const Lanes zero = LoadCodes<8>(zeros + group * kLanes);
    do {  // as long as the group lasts
      Store16(Mul(Sub(LoadCodes<Bits>(codes), zero), scale), to);
      codes += kBytes;
      to += kLanes;
      ++k;
    } while (k < end && args.group_of[k] == group);
  }
}

template <int Bits>
HWY_INLINE void AllPanels(const QuantizedLinearCpuArgs& args, int64_t begin, int64_t end) {
  HWY_ALIGN float buffer[kGroupPanels * kBlockInputs * kLanes];
  constexpr int64_t kStride = kBlockInputs * kLanes;
  for (int64_t first = begin; first < end; first += kGroupPanels) {
    const int64_t last = HWY_MIN(first + kGroupPanels, end);
    for (int64_t k = 0; k < args.linear.in; k += kBlockInputs) {
      const int64_t k_end = HWY_MIN(k + kBlockInputs, args.linear.in);
      for (int64_t panel = first; panel < last; ++panel) {
        Widen<Bits>(args, panel, k, k_end, buffer + (panel - first) * kStride);
      }
      AllRows(args.linear,
              WeightBlock<float>{.weights = buffer,
                                 .stride = kStride,
                                 .first = first,
                                 .last = last,
                                 .begin = k,
                                 .end = k_end});
    }
  }
}

void QuantizedLinearTarget(const QuantizedLinearCpuArgs& args, int64_t begin, int64_t end) {
  if (args.bits == 4) {
    AllPanels<4>(args, begin, end);
  } else {
    AllPanels<8>(args, begin, end);
  }
}

}  // namespace triptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::kernels {

HWY_EXPORT(QuantizedLinearTarget);

void QuantizedLinearCpu(const QuantizedLinearCpuArgs& args,
                        int64_t panel_begin,
                        int64_t panel_end) {
  HWY_DYNAMIC_DISPATCH(QuantizedLinearTarget)(args, panel_begin, panel_end);
}

}  // namespace triptych::kernels
#endif
