#include "worker/vision/pil_resize.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/check.h"
#include "worker/vision/interleaved_rows.h"
#include "worker/vision/large_tensor.h"
#include "worker/vision/resample_taps.h"
#include "worker/vision/weighted_sum.h"

namespace triptych::vision {
namespace {

using TakeLine = std::function<void(int64_t y, const uint8_t* line)>;

constexpr int64_t kChannels = 3;
constexpr int64_t kRowsAtOnce = 16;  // 48 lanes: whole vectors of every instruction set

const int32_t* Weights(const ResampleTaps& taps, int64_t place) {
  return taps.weights.data() + place * taps.width;
}

void ResizeColumns(const at::Tensor& rgb, int64_t out_width, ResizeFilter filter, const TakeLine& take) {
  const int64_t height = rgb.size(0), width = rgb.size(1), stride = out_width * kChannels;
  const ResampleTaps taps = MakeTaps(static_cast<int32_t>(width), static_cast<int32_t>(out_width), filter);
  std::vector<uint8_t> columns(width * kRowsAtOnce * kChannels), sums(stride * kRowsAtOnce), lines(stride * kRowsAtOnce);
  for (int64_t top = 0; top < height; top += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, height - top);
    const int64_t lanes = rows * kChannels;
    InterleaveRows(rgb.const_data_ptr<uint8_t>() + top * width * kChannels, rows, width, columns.data());
    for (int64_t x = 0; x < out_width; ++x) {
      WeightedSum(columns.data() + taps.first[x] * lanes, lanes, Weights(taps, x), taps.count[x],
                  sums.data() + x * lanes, static_cast<int32_t>(lanes));
    }
    SeparateRows(sums.data(), rows, out_width, lines.data());
    for (int64_t row = 0; row < rows; ++row) take(top + row, lines.data() + row * stride);
  }
}

void ResizeRows(const at::Tensor& rgb, int64_t out_height, ResizeFilter filter, const TakeLine& take) {
  const int64_t stride = rgb.size(1) * kChannels;
  const ResampleTaps taps = MakeTaps(static_cast<int32_t>(rgb.size(0)), static_cast<int32_t>(out_height), filter);
  std::vector<uint8_t> line(stride);
  for (int64_t y = 0; y < out_height; ++y) {
    WeightedSum(rgb.const_data_ptr<uint8_t>() + taps.first[y] * stride, stride, Weights(taps, y), taps.count[y],
                line.data(), static_cast<int32_t>(stride));
    take(y, line.data());
  }
}

// The lines that `pass` gives to its TakeLine, together.
template <typename Pass>
at::Tensor Collect(ImageSize size, const Pass& pass) {
  at::Tensor result = LargeTensor({size.height, size.width, kChannels}, at::kByte);
  const int64_t stride = size.width * kChannels;
  uint8_t* const out = result.mutable_data_ptr<uint8_t>();
  pass([&](int64_t y, const uint8_t* line) { std::memcpy(out + y * stride, line, stride); });
  return result;
}

// Which pass comes first shows in the last bit, as bytes are rounded between the two. Pillow 13 takes rows first where that
// drops more than twice as many lines as columns; before that version columns always came first.
bool RowsFirst(int64_t fewer_rows, int64_t fewer_columns) { return fewer_rows > 0 && fewer_rows > 2 * fewer_columns; }

// The later pass' lines go to `take`.
void Resize(const at::Tensor& rgb, ImageSize size, ResizeFilter filter, bool rows_first, const TakeLine& take) {
  const auto width = static_cast<int32_t>(rgb.size(1)), height = static_cast<int32_t>(rgb.size(0));
  const bool changes_columns = size.width != width, changes_rows = size.height != height;
  if (changes_columns && changes_rows && rows_first) {
    const at::Tensor lower = Collect({width, size.height}, [&](const TakeLine& keep) { ResizeRows(rgb, size.height, filter, keep); });
    ResizeColumns(lower, size.width, filter, take);
  } else if (changes_columns && changes_rows) {
    const at::Tensor narrower = Collect({size.width, height}, [&](const TakeLine& keep) { ResizeColumns(rgb, size.width, filter, keep); });
    ResizeRows(narrower, size.height, filter, take);
  } else if (changes_columns) {
    ResizeColumns(rgb, size.width, filter, take);
  } else if (changes_rows) {
    ResizeRows(rgb, size.height, filter, take);
  } else {
    for (int64_t y = 0; y < height; ++y) take(y, rgb.const_data_ptr<uint8_t>() + y * width * kChannels);
  }
}

void CheckArguments(const at::Tensor& rgb, ImageSize size) {
  TRIPTYCH_CHECK(rgb.dim() == 3 && rgb.size(2) == kChannels && rgb.scalar_type() == at::kByte);
  TRIPTYCH_CHECK(rgb.is_contiguous() && rgb.numel() > 0 && size.width > 0 && size.height > 0);
}

}  // namespace

at::Tensor PilResize(const at::Tensor& rgb, ImageSize size, ResizeFilter filter) {
  return Collect(size, [&](const TakeLine& keep) { PilResizeLines(rgb, size, filter, /*transposed=*/false, keep); });
}

void PilResizeLines(const at::Tensor& rgb, ImageSize size, ResizeFilter filter, bool transposed, const TakeLine& take) {
  CheckArguments(rgb, size);
  const int64_t fewer_rows = rgb.size(0) - size.height, fewer_columns = rgb.size(1) - size.width;
  const bool rows_first = transposed ? !RowsFirst(fewer_columns, fewer_rows) : RowsFirst(fewer_rows, fewer_columns);
  Resize(rgb, size, filter, rows_first, take);
}

}  // namespace triptych::vision
