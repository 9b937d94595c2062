#include "worker/kernels/linear_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/kernels/linear_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "worker/kernels/linear_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {

template <typename Weight>
HWY_INLINE void AllPanels(const LinearCpuArgs& args, int64_t begin, int64_t end) {
  const int64_t stride = args.in * kLanes;
  for (int64_t first = begin; first < end; first += kGroupPanels) {
    AllRows(args,
            WeightBlock<Weight>{.weights = static_cast<const Weight*>(args.panels) + first * stride,
                                .stride = stride,
                                .first = first,
                                .last = HWY_MIN(first + kGroupPanels, end),
                                .begin = 0,
                                .end = args.in});
  }
}

void LinearTarget(const LinearCpuArgs& args, int64_t begin, int64_t end) {
  if (args.bfloat16) {
    AllPanels<hwy::bfloat16_t>(args, begin, end);
  } else {
    AllPanels<float>(args, begin, end);
  }
}

}  // namespace triptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::kernels {

HWY_EXPORT(LinearTarget);

void LinearCpu(const LinearCpuArgs& args, int64_t panel_begin, int64_t panel_end) {
  HWY_DYNAMIC_DISPATCH(LinearTarget)(args, panel_begin, panel_end);
}

}  // namespace triptych::kernels
#endif
