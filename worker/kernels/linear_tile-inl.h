// The one way in which rows are multiplied by panels of weights, for the Highway target being
// compiled. Included once for each target (no #pragma once).
#if defined(TRIPTYCH_KERNELS_LINEAR_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIPTYCH_KERNELS_LINEAR_TILE_INL_H_
#undef TRIPTYCH_KERNELS_LINEAR_TILE_INL_H_
#else
#define TRIPTYCH_KERNELS_LINEAR_TILE_INL_H_
#endif

#include <cstdint>

#include <hwy/highway.h>

#include "worker/kernels/lanes-inl.h"
#include "worker/kernels/linear_cpu.h"

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {

// As many rows as the registers hold accumulators for, beside a weight and a broadcast.
inline constexpr int kMaxRows = kVecs == 1 ? 12 : 6;
// Panels that stay in the cache while all rows pass over them.
inline constexpr int64_t kGroupPanels = 4;

// The weights of panels [first, last) for inputs [begin, end) of all.
template <typename Weight>
struct WeightBlock {
  const Weight* weights;  // [last - first, end - begin, 16]
  int64_t stride;         // from panel to panel
  int64_t first, last;
  int64_t begin, end;
};

// `Rows` rows by `Panels` panels: each accumulator is one chain of fused multiply-adds over the
// inputs, whatever Rows and Panels are. A block that is not the first goes on with the sums that
// the one before left in y; the last adds the bias.
template <int Rows, int Panels, typename Weight>
HWY_INLINE void Tile(const LinearCpuArgs& args,
                     const WeightBlock<Weight>& block,
                     int64_t first_row,
                     int64_t first_panel) {
  const int64_t column = first_panel * kLanes;
  float* const y = args.y + first_row * args.out + column;
  const auto columns = [&](int panel) {
    return static_cast<int>(HWY_MIN(args.out - column - panel * kLanes, int64_t{kLanes}));
  };
  Lanes sum[Rows][Panels];
  for (int r = 0; r < Rows; ++r) {
    for (int p = 0; p < Panels; ++p) {
      sum[r][p] = block.begin == 0 ? Fill(0) : LoadFirst(y + r * args.out + p * kLanes, columns(p));
    }
  }
  const Weight* const weight = block.weights + (first_panel - block.first) * block.stride;
  const float* const x = args.x + first_row * args.in + block.begin;
  const int64_t inputs = block.end - block.begin;
  for (int64_t k = 0; k < inputs; ++k) {
    Lanes w[Panels];
    for (int p = 0; p < Panels; ++p) w[p] = Load16(weight + p * block.stride + k * kLanes);
    for (int r = 0; r < Rows; ++r) {
      const Lanes value = Fill(x[r * args.in + k]);
      for (int p = 0; p < Panels; ++p) sum[r][p] = MulAdd(value, w[p], sum[r][p]);
    }
  }
  const bool ends = block.end == args.in;
  for (int p = 0; p < Panels; ++p) {
    for (int r = 0; r < Rows; ++r) {
      Lanes result = sum[r][p];
      if (ends && args.bias != nullptr) {
        result = Add(result, LoadFirst(args.bias + column + p * kLanes, columns(p)));
      }
      StoreFirst(result, columns(p), y + r * args.out + p * kLanes);
    }
  }
}

template <int Rows, typename Weight>
HWY_INLINE void RowsOverPanels(const LinearCpuArgs& args,
                               const WeightBlock<Weight>& block,
                               int64_t row) {
  // Few rows: more chains, to hide the latency of each.
  constexpr int kPanels = Rows <= 2 ? 4 : Rows * 2 <= kMaxRows ? 2 : 1;
  int64_t panel = block.first;
  for (; panel + kPanels <= block.last; panel += kPanels) {
    Tile<Rows, kPanels>(args, block, row, panel);
  }
  for (; panel < block.last; ++panel) Tile<Rows, 1>(args, block, row, panel);
}

template <int Rows, typename Weight>
HWY_INLINE void LastRows(const LinearCpuArgs& args,
                         const WeightBlock<Weight>& block,
                         int64_t row,
                         int64_t left) {
  if constexpr (Rows > 0) {
    if (left == Rows) return RowsOverPanels<Rows>(args, block, row);
    LastRows<Rows - 1>(args, block, row, left);
  }
}

template <typename Weight>
HWY_INLINE void AllRows(const LinearCpuArgs& args, const WeightBlock<Weight>& block) {
  int64_t row = 0;
  for (; row + kMaxRows <= args.rows; row += kMaxRows) RowsOverPanels<kMaxRows>(args, block, row);
  LastRows<kMaxRows - 1>(args, block, row, args.rows - row);
}

}  // namespace triptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
