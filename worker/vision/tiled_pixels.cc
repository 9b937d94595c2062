#include "worker/vision/tiled_pixels.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "worker/vision/clip_pixels.h"
#include "worker/vision/large_tensor.h"
#include "worker/vision/pil_resize.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;
constexpr int64_t kWhite = 255;

// The white canvas with the picture on it: [rows * side, columns * side, 3] uint8.
at::Tensor Paint(const at::Tensor& rgb, const Tiling& tiling) {
  const at::Tensor content = tiling.transposed ? PilResizeTransposed(rgb, tiling.content, ResizeFilter::kBilinear)
                                               : PilResize(rgb, tiling.content, ResizeFilter::kBilinear);
  const ImageSize size = tiling.canvas();
  if (tiling.content == size) return content;
  at::Tensor canvas = at::full({size.height, size.width, kColors}, kWhite, at::kByte);
  canvas.narrow(0, tiling.top, tiling.content.height).narrow(1, tiling.left, tiling.content.width).copy_(content);
  return canvas;
}

// Of one dimension of a canvas, the places that the global view looks at. A canvas is `scale` times as long as the view, so the bicubic
// filter falls on the middle of two pixels everywhere (even scales: four taps, the same weights) or on one (odd scales: that one alone).
// What lies between is left out: the view of the rest is the view of the whole, bit for bit.
std::vector<int32_t> SeenByGlobalView(int32_t scale, int32_t side) {
  const int32_t seen = scale % 2 == 1 ? 1 : std::min(scale, 4);
  const int32_t skipped = (scale - seen) / 2;
  std::vector<int32_t> places;
  places.reserve(static_cast<size_t>(seen) * side);
  for (int32_t i = 0; i < side; ++i) {
    for (int32_t j = 0; j < seen; ++j) places.push_back(i * scale + skipped + j);
  }
  return places;
}

// canvas [rows * side, columns * side, 3] uint8 -> [3, side, side].
at::Tensor GlobalView(const at::Tensor& canvas, const Tiling& tiling) {
  const std::vector<int32_t> rows = SeenByGlobalView(tiling.rows, tiling.side), columns = SeenByGlobalView(tiling.columns, tiling.side);
  const int64_t width = canvas.size(1);
  at::Tensor planes = LargeTensor({1, kColors, static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns.size())});
  float* out = planes.mutable_data_ptr<float>();
  for (int64_t color = 0; color < kColors; ++color) {
    const float* const table = ClipTable(static_cast<int>(color));
    for (const int32_t y : rows) {
      const uint8_t* const in = canvas.const_data_ptr<uint8_t>() + y * width * kColors + color;
      for (const int32_t x : columns) *out++ = table[in[int64_t{x} * kColors]];
    }
  }
  if (planes.size(2) == tiling.side && planes.size(3) == tiling.side) return planes[0];
  return at::upsample_bicubic2d(planes, {tiling.side, tiling.side}, /*align_corners=*/false)[0];
}

// canvas -> tiles, row by row of tiles: [rows * columns, 3, side, side] at `out`.
void CutTiles(const at::Tensor& canvas, const Tiling& tiling, float* out) {
  const int64_t side = tiling.side;
  const uint8_t* in = canvas.const_data_ptr<uint8_t>();
  for (int64_t y = 0; y < tiling.rows * side; ++y) {
    for (int64_t column = 0; column < tiling.columns; ++column, in += side * kColors) {
      float* const tile = out + (y / side * tiling.columns + column) * kColors * side * side + y % side * side;
      for (int64_t color = 0; color < kColors; ++color) {
        const float* const table = ClipTable(static_cast<int>(color));
        float* const line = tile + color * side * side;
        for (int64_t x = 0; x < side; ++x) line[x] = table[in[x * kColors + color]];
      }
    }
  }
}

}  // namespace

at::Tensor MakeTiles(const at::Tensor& rgb, const Tiling& tiling) {
  const at::Tensor canvas = Paint(rgb, tiling);
  at::Tensor views = LargeTensor({1 + tiling.tiles(), kColors, tiling.side, tiling.side});
  views[0].copy_(GlobalView(canvas, tiling));
  CutTiles(canvas, tiling, views[1].mutable_data_ptr<float>());
  return views;
}

}  // namespace triptych::vision
