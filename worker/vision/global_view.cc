#include "worker/vision/global_view.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/upsample_bicubic2d.h>

#include "common/check.h"
#include "worker/vision/clip_pixels.h"
#include "worker/vision/large_tensor.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;

// Of one dimension of a canvas, the places that the view is made of.
std::vector<int32_t> SeenPlaces(int32_t scale, int32_t side) {
  const int32_t seen = scale % 2 == 1 ? 1 : std::min(scale, 4);
  const int32_t skipped = (scale - seen) / 2;
  std::vector<int32_t> places;
  places.reserve(static_cast<size_t>(seen) * side);
  for (int32_t i = 0; i < side; ++i) {
    for (int32_t j = 0; j < seen; ++j) places.push_back(i * scale + skipped + j);
  }
  return places;
}

}  // namespace

at::Tensor GlobalView(const at::Tensor& canvas, const Tiling& tiling) {
  const int64_t side = tiling.side, width = tiling.columns * side;
  TRIPTYCH_CHECK(canvas.is_contiguous() && canvas.size(0) == tiling.rows * side && canvas.size(1) == width);
  const std::vector<int32_t> rows = SeenPlaces(tiling.rows, tiling.side), columns = SeenPlaces(tiling.columns, tiling.side);
  at::Tensor planes = LargeTensor({1, kColors, static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns.size())});
  float* out = planes.mutable_data_ptr<float>();
  for (int64_t color = 0; color < kColors; ++color) {
    const float* const table = ClipTable(static_cast<int>(color));
    for (const int32_t y : rows) {
      const uint8_t* const in = canvas.const_data_ptr<uint8_t>() + y * width * kColors + color;
      for (const int32_t x : columns) *out++ = table[in[x * kColors]];
    }
  }
  if (planes.size(2) == side && planes.size(3) == side) return planes[0];
  return at::upsample_bicubic2d(planes, {side, side}, /*align_corners=*/false)[0];
}

}  // namespace triptych::vision
