#include "worker/vision/global_view.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <gtest/gtest.h>

#include "worker/vision/clip_pixels.h"

namespace triptych::vision {
namespace {

// Even and odd numbers of tiles, sides that fill vectors and sides that do not.
TEST(GlobalViewTest, IsTorchsBicubicFilterBitForBit) {
  for (const int32_t side : {1, 2, 14, 30, 336}) {
    for (const auto& [rows, columns] : {std::pair{1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 2}, {2, 4}, {4, 6}, {5, 3}, {1, 9}, {7, 8}}) {
      const at::Tensor canvas = at::randint(256, {rows * side, columns * side, 3}, at::kByte);
      const Tiling tiling{.rows = rows, .columns = columns, .side = side, .content = {columns * side, rows * side}};
      const at::Tensor whole = NormalizeForClip(canvas).unsqueeze(0);
      at::Tensor view = at::empty({3, side, side});
      WriteGlobalView(canvas, tiling, view.mutable_data_ptr<float>());
      EXPECT_TRUE(at::equal(view, at::upsample_bicubic2d(whole, {side, side}, /*align_corners=*/false)[0]))
          << rows << " x " << columns << " tiles of " << side;
    }
  }
}

}  // namespace
}  // namespace triptych::vision
