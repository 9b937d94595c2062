#include "worker/vision/global_view.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <gtest/gtest.h>

namespace triptych::vision {
namespace {

// Even and odd numbers of tiles, sides that fill vectors and sides that do not.
TEST(GlobalViewTest, IsTorchsBicubicFilterBitForBit) {
  for (const int32_t side : {1, 2, 14, 30, 336}) {
    for (const auto& [rows, columns] : {std::pair{1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 2}, {2, 4}, {4, 6}, {5, 3}, {1, 9}, {7, 8}}) {
      const Tiling tiling{.rows = rows, .columns = columns, .side = side, .content = {columns * side, rows * side}};
      const at::Tensor canvas = at::randn({3, rows * side, columns * side});
      const at::Tensor tiles = canvas.view({3, rows, side, columns, side}).permute({1, 3, 0, 2, 4});
      const at::Tensor views = at::empty({1 + rows * columns, 3, side, side});
      views.narrow(0, 1, rows * columns).copy_(tiles.reshape({rows * columns, 3, side, side}));
      GlobalView view(tiling, views);
      for (int64_t y = 0; y < rows * side; ++y) view.AddLine(y);
      const at::Tensor wanted = at::upsample_bicubic2d(canvas.unsqueeze(0), {side, side}, /*align_corners=*/false)[0];
      EXPECT_TRUE(at::equal(views[0], wanted)) << rows << " x " << columns << " tiles of " << side;
    }
  }
}

}  // namespace
}  // namespace triptych::vision
