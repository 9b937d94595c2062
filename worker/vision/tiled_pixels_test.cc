#include "worker/vision/tiled_pixels.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/vision/clip_pixels.h"
#include "worker/vision/image_decoder.h"
#include "worker/vision/pil_resize.h"
#include "worker/weights/safetensors_file.h"

namespace triptych::vision {
namespace {

constexpr TilingRule k4khd{.side = 336, .enlarges = true, .centers = true};
constexpr TilingRule k2d5{.side = 560};

at::Tensor Picture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
  StatusOr<at::Tensor> rgb = DecodeImage(bytes, RequestLimits{});
  EXPECT_TRUE(rgb.ok()) << path << ": " << rgb.status();
  return rgb.ok() ? *rgb : at::zeros({1, 1, 3}, at::kByte);
}

// [1 + tiles, 3, side, side] -> [3, rows * side, columns * side], the global view left out.
at::Tensor Stitch(const at::Tensor& views, const Tiling& tiling) {
  const int64_t side = tiling.side;
  return views.narrow(0, 1, tiling.tiles())
      .view({tiling.rows, tiling.columns, 3, side, side})
      .permute({2, 0, 3, 1, 4})
      .reshape({3, tiling.rows * side, tiling.columns * side});
}

// Every `rows`-th line and `columns`-th column, as the golden sets keep them.
at::Tensor Thin(const at::Tensor& planes, int64_t rows, int64_t columns) {
  const auto places = [](int64_t size, int64_t step) { return at::arange(0, size, step, at::kLong); };
  return planes.index_select(1, places(planes.size(1), rows)).index_select(2, places(planes.size(2), columns));
}

struct Set {
  const char* name;
  TilingRule rule;
};
class TiledPixelsGoldenTest : public testing::TestWithParam<Set> {};

TEST_P(TiledPixelsGoldenTest, TilesAndGlobalViewAreTheReferencesBits) {
  const std::string folder = std::string(TRIPTYCH_TEST_DATA) + "/golden/" + GetParam().name;
  std::ifstream stream(folder + "/manifest.json");
  const nlohmann::json manifest = nlohmann::json::parse(stream);
  int pictures = 0;
  for (const nlohmann::json& entry : manifest["cases"]) {
    for (size_t i = 0; i < entry["images"].size(); ++i) {
      const at::Tensor rgb = Picture(folder + "/" + entry["images"][i].get<std::string>());
      const auto tiling = TilePicture(GetParam().rule, {static_cast<int32_t>(rgb.size(1)), static_cast<int32_t>(rgb.size(0))}, entry["hd_num_used"]);
      ASSERT_TRUE(tiling.ok()) << tiling.status();
      const at::Tensor views = MakeTiles(rgb, *tiling);
      const at::Tensor planes = Stitch(views, *tiling);
      EXPECT_TRUE(at::equal(planes, NormalizeForClip(Picture(folder + "/" + entry["preprocessed_png"][i].get<std::string>())))) << entry["id"];
      auto file = weights::OpenSafetensors(folder + "/" + entry["file"].get<std::string>());
      ASSERT_TRUE(file.ok());
      EXPECT_TRUE(at::equal(Thin(planes, 37, 29), *file->Read(fmt::format("pixel_rows{}", i)))) << entry["id"];
      EXPECT_TRUE(at::equal(Thin(views[0], 23, 19), *file->Read(fmt::format("global_view_rows{}", i)))) << entry["id"];
      ++pictures;
    }
  }
  EXPECT_GE(pictures, 2);
}

INSTANTIATE_TEST_SUITE_P(Sets,
                         TiledPixelsGoldenTest,
                         testing::Values(Set{"xcomposer2-4khd-tiny", k4khd}, Set{"xcomposer2d5-tiny", k2d5}),
                         [](const auto& info) { return std::string(info.param.rule.enlarges ? "hd4k" : "x2d5"); });

// The reference handles tall pictures by swapping axes; so does a tall picture give a wide one's tiles, swapped.
TEST(TiledPixelsTest, ATallPictureIsItsTransposesTranspose) {
  for (const TilingRule& rule : {TilingRule{.side = 28, .enlarges = true, .centers = true}, TilingRule{.side = 28}}) {
    for (const auto& [longer, shorter] : {std::pair{61, 35}, {300, 20}, {29, 28}, {1000, 990}}) {
      const at::Tensor wide = at::randint(256, {shorter, longer, 3}, at::kByte);
      const at::Tensor tall = wide.transpose(0, 1).contiguous();
      const auto of_wide = TilePicture(rule, {longer, shorter}, 9), of_tall = TilePicture(rule, {shorter, longer}, 9);
      ASSERT_TRUE(of_wide.ok() && of_tall.ok());
      const at::Tensor wide_planes = Stitch(MakeTiles(wide, *of_wide), *of_wide), tall_planes = Stitch(MakeTiles(tall, *of_tall), *of_tall);
      EXPECT_TRUE(at::equal(wide_planes.transpose(1, 2), tall_planes)) << longer << " x " << shorter;
    }
  }
}

TEST(TiledPixelsTest, PaddingIsWhiteAndWhereTheRuleHasIt) {
  const at::Tensor black = at::zeros({20, 112, 3}, at::kByte);
  const at::Tensor white = NormalizeForClip(at::full({1, 1, 3}, 255, at::kByte)), dark = NormalizeForClip(at::zeros({1, 1, 3}, at::kByte));
  for (const bool centers : {true, false}) {
    const auto tiling = TilePicture({.side = 28, .enlarges = true, .centers = centers}, {112, 20}, 4);
    ASSERT_TRUE(tiling.ok());
    const at::Tensor planes = Stitch(MakeTiles(black, *tiling), *tiling);
    const int64_t top = centers ? 4 : 0;
    EXPECT_TRUE(at::equal(planes.narrow(1, top, 20), dark.expand({3, 20, 112})));
    EXPECT_TRUE(at::equal(planes.narrow(1, 0, top), white.expand({3, top, 112})));
    EXPECT_TRUE(at::equal(planes.narrow(1, top + 20, 8 - top), white.expand({3, 8 - top, 112})));
  }
}

}  // namespace
}  // namespace triptych::vision
