#include "worker/kernels/attend_cpu.h"

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "worker/kernels/attend_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "worker/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace triptych::kernels::HWY_NAMESPACE {

constexpr int kItems = 4;  // that share each load of keys and values

// Scores of all positions of the blocks up to each item's length; -inf behind it.
template <int Items>
HWY_INLINE void Scores(const AttendArgs& args, const AttendItem* items, int32_t longest, float* const* scores) {
  for (int32_t block = 0; block * kLanes < longest; ++block) {
    Lanes sum[Items];
    for (int i = 0; i < Items; ++i) sum[i] = Fill(0);
    const float* keys = args.key_blocks[block];
    for (int32_t d = 0; d < args.head_dim; ++d) {
      const Lanes k = Load16(keys + d * kLanes);
      for (int i = 0; i < Items; ++i) sum[i] = MulAdd(Fill(items[i].q[d]), k, sum[i]);
    }
    for (int i = 0; i < Items; ++i) Store16(Mul(sum[i], Fill(args.scale)), scores[i] + block * kLanes);
  }
  for (int i = 0; i < Items; ++i) {
    const int32_t end = (longest + kLanes - 1) / kLanes * kLanes;
    for (int32_t j = items[i].length; j < end; ++j) scores[i][j] = -std::numeric_limits<float>::infinity();
  }
}

// In place; gives the sum. Only the blocks of the item's own length take part.
HWY_INLINE float Exponentials(float* scores, int32_t length) {
  Lanes most = Fill(-std::numeric_limits<float>::infinity());
  for (int32_t j = 0; j < length; j += kLanes) most = Max(most, Load16(scores + j));
  const Lanes max = Fill(MaxTree(most));
  Lanes sum = Fill(0);
  for (int32_t j = 0; j < length; j += kLanes) {
    const Lanes e = Exp(Sub(Load16(scores + j), max));
    Store16(e, scores + j);
    sum = Add(sum, e);
  }
  return SumTree(sum);
}

HWY_INLINE Lanes LoadValue(const AttendArgs& args, int32_t position, int32_t d, int columns) {
  const float* from = args.value_blocks[position / kLanes] + (position % kLanes) * args.head_dim + d;
  return columns == kLanes ? Load16(from) : LoadFirst(from, columns);
}

// Positions in ascending order for each item: together as far as all reach, then each to its own end, so that what lies behind an item's
// end is never read for it.
template <int Items>
HWY_INLINE void Values(const AttendArgs& args, const AttendItem* items, const float* const* weights, const float* sums) {
  int32_t common = items[0].length;
  for (int i = 1; i < Items; ++i) common = HWY_MIN(common, items[i].length);
  for (int32_t d = 0; d < args.head_dim; d += kLanes) {
    const int columns = HWY_MIN(args.head_dim - d, kLanes);
    Lanes sum[Items];
    for (int i = 0; i < Items; ++i) sum[i] = Fill(0);
    for (int32_t j = 0; j < common; ++j) {
      const Lanes v = LoadValue(args, j, d, columns);
      for (int i = 0; i < Items; ++i) sum[i] = MulAdd(Fill(weights[i][j]), v, sum[i]);
    }
    for (int i = 0; i < Items; ++i) {
      for (int32_t j = common; j < items[i].length; ++j) {
        sum[i] = MulAdd(Fill(weights[i][j]), LoadValue(args, j, d, columns), sum[i]);
      }
      StoreFirst(Div(sum[i], Fill(sums[i])), columns, items[i].out + d);
    }
  }
}

template <int Items>
HWY_INLINE void AttendSome(const AttendArgs& args, const AttendItem* items, float* scratch) {
  int32_t longest = 0;
  for (int i = 0; i < Items; ++i) longest = HWY_MAX(longest, items[i].length);
  const int64_t padded = (longest + kLanes - 1) / kLanes * kLanes;
  float* scores[Items];
  float sums[Items];
  for (int i = 0; i < Items; ++i) scores[i] = scratch + i * padded;
  Scores<Items>(args, items, longest, scores);
  for (int i = 0; i < Items; ++i) sums[i] = Exponentials(scores[i], items[i].length);
  Values<Items>(args, items, scores, sums);
}

void AttendTarget(const AttendArgs& args, const AttendItem* items, int64_t num_items, float* scratch) {
  int64_t i = 0;
  for (; i + kItems <= num_items; i += kItems) AttendSome<kItems>(args, items + i, scratch);
  for (; i < num_items; ++i) AttendSome<1>(args, items + i, scratch);
}

}  // namespace triptych::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace triptych::kernels {

HWY_EXPORT(AttendTarget);

void Attend(const AttendArgs& args, const AttendItem* items, int64_t num_items, float* scratch) {
  HWY_DYNAMIC_DISPATCH(AttendTarget)(args, items, num_items, scratch);
}

int64_t AttendScratchFloats(int64_t longest) { return 4 * ((longest + 15) / 16 * 16); }

}  // namespace triptych::kernels
#endif
