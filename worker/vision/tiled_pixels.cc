#include "worker/vision/tiled_pixels.h"

#include <algorithm>
#include <vector>

#include "worker/vision/clip_line.h"
#include "worker/vision/global_view.h"
#include "worker/vision/large_tensor.h"
#include "worker/vision/pil_resize.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;
constexpr uint8_t kWhite = 255;

// Writes a canvas, line by line from the first on, to its tiles: views[1] and those behind it.
class TileWriter {
 public:
  TileWriter(const Tiling& tiling, float* tiles) : tiling_(tiling), tiles_(tiles) {}

  // `line`: [columns * side, 3].
  void Write(int64_t y, const uint8_t* line) {
    const int64_t side = tiling_.side, plane = side * side;
    float* out = tiles_ + y / side * tiling_.columns * kColors * plane + y % side * side;
    for (int64_t column = 0; column < tiling_.columns; ++column) {
      NormalizeLine(line, side, {out, out + plane, out + 2 * plane});
      line += side * kColors;
      out += kColors * plane;
    }
  }

 private:
  const Tiling& tiling_;
  float* const tiles_;
};

}  // namespace

at::Tensor MakeTiles(const at::Tensor& rgb, const Tiling& tiling) {
  at::Tensor views = LargeTensor({1 + tiling.tiles(), kColors, tiling.side, tiling.side}, at::kFloat);
  TileWriter tiles(tiling, views[1].mutable_data_ptr<float>());
  GlobalView global_view(tiling, views);
  const ImageSize canvas = tiling.canvas();
  std::vector<uint8_t> line(canvas.width * kColors, kWhite);
  int64_t y = 0;
  const auto add_line = [&] {
    tiles.Write(y, line.data());
    global_view.AddLine(y++);
  };
  while (y < tiling.top) add_line();
  PilResizeLines(rgb, tiling.content, ResizeFilter::kBilinear, tiling.transposed, [&](int64_t, const uint8_t* content) {
    std::copy_n(content, tiling.content.width * kColors, line.begin() + tiling.left * kColors);
    add_line();
  });
  std::ranges::fill(line, kWhite);
  while (y < canvas.height) add_line();
  return views;
}

}  // namespace triptych::vision
