#include "worker/vision/pil_resize.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <ATen/ops/empty.h>

#include "common/check.h"
#include "worker/vision/resample_taps.h"
#include "worker/vision/weighted_sum.h"

namespace triptych::vision {
namespace {

constexpr int64_t kChannels = 3;
constexpr int64_t kRowsAtOnce = 16;  // 48 lanes: whole vectors of every instruction set

const int32_t* Weights(const ResampleTaps& taps, int64_t place) {
  return taps.weights.data() + place * taps.width;
}

// Lays `rows` rows of `width` pixels side by side: pixel x of all rows stands together, so that a weighted sum of columns reads
// and writes whole vectors.
void Interleave(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out) {
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t* const source = in + row * width * kChannels;
    uint8_t* const target = out + row * kChannels;
    for (int64_t x = 0; x < width; ++x) {
      std::memcpy(target + x * rows * kChannels, source + x * kChannels, kChannels);
    }
  }
}

void Separate(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out) {
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t* const target = out + row * width * kChannels;
    for (int64_t x = 0; x < width; ++x) {
      std::memcpy(target + x * kChannels, in + (x * rows + row) * kChannels, kChannels);
    }
  }
}

at::Tensor ResizeColumns(const at::Tensor& rgb, int64_t out_width, ResizeFilter filter) {
  const int64_t height = rgb.size(0), width = rgb.size(1);
  const ResampleTaps taps = MakeTaps(static_cast<int32_t>(width), static_cast<int32_t>(out_width), filter);
  at::Tensor result = at::empty({height, out_width, kChannels}, at::kByte);
  std::vector<uint8_t> columns(width * kRowsAtOnce * kChannels), sums(out_width * kRowsAtOnce * kChannels);
  for (int64_t top = 0; top < height; top += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, height - top);
    const int64_t lanes = rows * kChannels;
    Interleave(rgb.const_data_ptr<uint8_t>() + top * width * kChannels, rows, width, columns.data());
    for (int64_t x = 0; x < out_width; ++x) {
      WeightedSum(columns.data() + taps.first[x] * lanes, lanes, Weights(taps, x), taps.count[x],
                  sums.data() + x * lanes, static_cast<int32_t>(lanes));
    }
    Separate(sums.data(), rows, out_width, result.mutable_data_ptr<uint8_t>() + top * out_width * kChannels);
  }
  return result;
}

at::Tensor ResizeRows(const at::Tensor& rgb, int64_t out_height, ResizeFilter filter) {
  const int64_t stride = rgb.size(1) * kChannels;
  const ResampleTaps taps = MakeTaps(static_cast<int32_t>(rgb.size(0)), static_cast<int32_t>(out_height), filter);
  at::Tensor result = at::empty({out_height, rgb.size(1), kChannels}, at::kByte);
  for (int64_t y = 0; y < out_height; ++y) {
    WeightedSum(rgb.const_data_ptr<uint8_t>() + taps.first[y] * stride, stride, Weights(taps, y), taps.count[y],
                result.mutable_data_ptr<uint8_t>() + y * stride, static_cast<int32_t>(stride));
  }
  return result;
}

// Which pass comes first shows in the last bit, as bytes are rounded between the two. Pillow 13 takes rows first where that
// drops more than twice as many lines as columns; before that version columns always came first.
bool RowsFirst(int64_t fewer_rows, int64_t fewer_columns) { return fewer_rows > 0 && fewer_rows > 2 * fewer_columns; }

at::Tensor Resize(const at::Tensor& rgb, ImageSize size, ResizeFilter filter, bool rows_first) {
  at::Tensor result = rgb;
  if (rows_first && size.height != result.size(0)) result = ResizeRows(result, size.height, filter);
  if (size.width != result.size(1)) result = ResizeColumns(result, size.width, filter);
  if (size.height != result.size(0)) result = ResizeRows(result, size.height, filter);
  return result;
}

void CheckArguments(const at::Tensor& rgb, ImageSize size) {
  TRIPTYCH_CHECK(rgb.dim() == 3 && rgb.size(2) == kChannels && rgb.scalar_type() == at::kByte);
  TRIPTYCH_CHECK(rgb.is_contiguous() && rgb.numel() > 0 && size.width > 0 && size.height > 0);
}

}  // namespace

at::Tensor PilResize(const at::Tensor& rgb, ImageSize size, ResizeFilter filter) {
  CheckArguments(rgb, size);
  return Resize(rgb, size, filter, RowsFirst(rgb.size(0) - size.height, rgb.size(1) - size.width));
}

at::Tensor PilResizeTransposed(const at::Tensor& rgb, ImageSize size, ResizeFilter filter) {
  CheckArguments(rgb, size);
  return Resize(rgb, size, filter, !RowsFirst(rgb.size(1) - size.width, rgb.size(0) - size.height));
}

}  // namespace triptych::vision
