#include "worker/vision/tiled_pixels.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "worker/vision/clip_pixels.h"
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

}  // namespace

at::Tensor MakeTiles(const at::Tensor& rgb, const Tiling& tiling) {
  const int64_t side = tiling.side;
  const at::Tensor planes = NormalizeForClip(Paint(rgb, tiling));
  at::Tensor views = at::empty({1 + tiling.tiles(), kColors, side, side}, at::kFloat);
  views.narrow(0, 0, 1).copy_(at::upsample_bicubic2d(planes.unsqueeze(0), {side, side}, /*align_corners=*/false));
  views.narrow(0, 1, tiling.tiles())
      .view({tiling.rows, tiling.columns, kColors, side, side})
      .copy_(planes.view({kColors, tiling.rows, side, tiling.columns, side}).permute({1, 3, 0, 2, 4}));
  return views;
}

}  // namespace triptych::vision
