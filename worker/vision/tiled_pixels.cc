#include "worker/vision/tiled_pixels.h"

#include <ATen/ops/full.h>

#include "worker/vision/clip_pixels.h"
#include "worker/vision/global_view.h"
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
  WriteGlobalView(canvas, tiling, views[0].mutable_data_ptr<float>());
  CutTiles(canvas, tiling, views[1].mutable_data_ptr<float>());
  return views;
}

}  // namespace triptych::vision
