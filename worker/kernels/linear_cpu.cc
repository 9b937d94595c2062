#include "worker/kernels/linear_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/kernels/linear_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "worker/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {

// As many rows as the registers hold accumulators for, beside a weight and a broadcast.
constexpr int kMaxRows = kVecs == 1 ? 12 : 6;

// `Rows` rows by `Panels` panels: each accumulator is one chain of fused multiply-adds over k, whatever Rows and Panels are.
template <int Rows, int Panels, typename Weight>
HWY_INLINE void Tile(const LinearCpuArgs& args, const Weight* panels, int64_t first_row, int64_t first_panel) {
  Lanes sum[Rows][Panels];
  for (int r = 0; r < Rows; ++r) {
    for (int p = 0; p < Panels; ++p) sum[r][p] = Fill(0);
  }
  const Weight* weight = panels + first_panel * args.in * kLanes;
  const float* x = args.x + first_row * args.in;
  for (int64_t k = 0; k < args.in; ++k) {
    Lanes w[Panels];
    for (int p = 0; p < Panels; ++p) w[p] = Load16(weight + (p * args.in + k) * kLanes);
    for (int r = 0; r < Rows; ++r) {
      const Lanes value = Fill(x[r * args.in + k]);
      for (int p = 0; p < Panels; ++p) sum[r][p] = MulAdd(value, w[p], sum[r][p]);
    }
  }
  for (int p = 0; p < Panels; ++p) {
    const int64_t column = (first_panel + p) * kLanes;
    const int columns = static_cast<int>(HWY_MIN(args.out - column, int64_t{kLanes}));
    for (int r = 0; r < Rows; ++r) {
      Lanes result = sum[r][p];
      if (args.bias != nullptr) result = Add(result, LoadFirst(args.bias + column, columns));
      StoreFirst(result, columns, args.y + (first_row + r) * args.out + column);
    }
  }
}

template <int Rows, typename Weight>
HWY_INLINE void RowsOverPanels(const LinearCpuArgs& args, const Weight* panels, int64_t row, int64_t begin, int64_t end) {
  constexpr int kPanels = Rows <= 2 ? 4 : Rows * 2 <= kMaxRows ? 2 : 1;  // few rows: more chains, to hide the latency of each
  int64_t panel = begin;
  for (; panel + kPanels <= end; panel += kPanels) Tile<Rows, kPanels>(args, panels, row, panel);
  for (; panel < end; ++panel) Tile<Rows, 1>(args, panels, row, panel);
}

template <int Rows, typename Weight>
HWY_INLINE void LastRows(const LinearCpuArgs& args, const Weight* panels, int64_t row, int64_t left, int64_t begin, int64_t end) {
  if constexpr (Rows > 0) {
    if (left == Rows) return RowsOverPanels<Rows>(args, panels, row, begin, end);
    LastRows<Rows - 1>(args, panels, row, left, begin, end);
  }
}

// Panels in groups that stay in the cache while all rows pass over them.
template <typename Weight>
HWY_INLINE void AllRows(const LinearCpuArgs& args, int64_t begin, int64_t end) {
  const auto* panels = static_cast<const Weight*>(args.panels);
  for (int64_t group = begin; group < end; group += 4) {
    const int64_t group_end = HWY_MIN(group + 4, end);
    int64_t row = 0;
    for (; row + kMaxRows <= args.rows; row += kMaxRows) RowsOverPanels<kMaxRows>(args, panels, row, group, group_end);
    LastRows<kMaxRows - 1>(args, panels, row, args.rows - row, group, group_end);
  }
}

void LinearTarget(const LinearCpuArgs& args, int64_t begin, int64_t end) {
  if (args.bfloat16) {
    AllRows<hwy::bfloat16_t>(args, begin, end);
  } else {
    AllRows<float>(args, begin, end);
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
