#include "worker/vision/tiled_encoder.h"

#include <cstring>
#include <memory>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {
namespace {

constexpr int64_t kSide = 56;  // four patches, two tokens
constexpr int64_t kWidth = 16;
constexpr int64_t kHidden = 32;
constexpr char kPositions[] = "vit.vision_tower.vision_model.embeddings.position_embedding.weight";

class TiledEncoderTest : public testing::Test {
 protected:
  TiledEncoderTest() : tensors_(fakes::TinyTensors({.image_size = kSide})) {
    tensors_["vision_proj.0.weight"] = at::randn({kHidden, 4 * kWidth}).mul(0.1).to(at::kBFloat16);
    tensors_["plora_glb_GN"] = at::randn({1, 1, 4 * kWidth}).to(at::kBFloat16);
    tensors_["plora_sub_GN"] = at::randn({1, 1, 1, 4 * kWidth}).to(at::kBFloat16);
  }

  StatusOr<std::unique_ptr<VisionEncoder>> Load(int64_t side = kSide) {
    fakes::WriteCheckpoint(folder_.path(), "{}", tensors_);
    TRIPTYCH_ASSIGN_OR_RETURN(const auto loader, weights::LoadCheckpoint(folder_.path()));
    const TiledEncoder::Options options{
        .sizes = {.width = kWidth, .intermediate = 2 * kWidth, .num_layers = 1, .num_heads = 4, .image_size = side},
        .rule = {.side = static_cast<int32_t>(side), .enlarges = true, .centers = true},
        .hidden_size = kHidden,
        .default_max_tiles = 6};
    return TiledEncoder::Load(*loader, options, at::kCPU, at::kFloat);
  }
  void ExpectNamed(const std::string& tensor) {
    const Status status = Load().status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(Message(status).find(tensor), std::string_view::npos) << status;
  }

  fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_;
};

at::Tensor RandomPicture(int64_t height, int64_t width) { return at::randint(256, {height, width, 3}, at::kByte); }

TEST_F(TiledEncoderTest, TokensAndSeparatorsStandInOrder) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const at::Tensor glb = tensors_["plora_glb_GN"].to(at::kFloat).view({-1}), sub = tensors_["plora_sub_GN"].to(at::kFloat).view({-1});
  const int64_t rows = 2, columns = 3, merged = 2, grid = 4;
  const at::Tensor features = at::randn({1 + rows * columns, grid * grid, kWidth});
  // The token at line y and column x of a view: four patches, row by row.
  const auto token = [&](int64_t view, int64_t y, int64_t x) {
    std::vector<at::Tensor> patches;
    for (const auto& [dy, dx] : {std::pair{0, 0}, {0, 1}, {1, 0}, {1, 1}}) patches.push_back(features[view][(2 * y + dy) * grid + 2 * x + dx]);
    return at::cat(patches);
  };
  std::vector<at::Tensor> wanted;
  for (int64_t y = 0; y < merged; ++y) {
    for (int64_t x = 0; x < merged; ++x) wanted.push_back(token(0, y, x));
    wanted.push_back(sub);
  }
  wanted.push_back(glb);
  for (int64_t y = 0; y < rows * merged; ++y) {
    for (int64_t x = 0; x < columns * merged; ++x) wanted.push_back(token(1 + y / merged * columns + x / merged, y % merged, x % merged));
    wanted.push_back(sub);
  }
  const PreparedImage image{.rows = static_cast<int32_t>(wanted.size()), .grid_rows = 2, .grid_columns = 3};
  const at::Tensor arranged = dynamic_cast<TiledEncoder&>(**encoder).Arrange(image, features);
  EXPECT_TRUE(at::equal(arranged, at::cat(wanted).view({-1, 4 * kWidth})));
}

TEST_F(TiledEncoderTest, EveryShapeGivesTheRowsThatWerePromised) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 50}, {56, 56}, {300, 200}, {90, 400}}) {
    for (const int32_t max_tiles : {0, 1, 4}) {
      const auto prepared = (*encoder)->Prepare(RandomPicture(height, width), max_tiles);
      ASSERT_TRUE(prepared.ok()) << prepared.status();
      const int64_t tiles = prepared->grid_rows * prepared->grid_columns;
      EXPECT_LE(tiles, max_tiles == 0 ? 6 : max_tiles);
      EXPECT_EQ(prepared->tiles.sizes(), at::IntArrayRef({1 + tiles, 3, kSide, kSide}));
      const at::Tensor rows = (*encoder)->Project(*prepared, (*encoder)->Tower(prepared->tiles));
      EXPECT_EQ(rows.sizes(), at::IntArrayRef({prepared->rows, kHidden}));
      EXPECT_EQ(prepared->rows, (tiles + 1) * 4 + 1 + (prepared->grid_rows + 1) * 2);
      EXPECT_TRUE(rows.isfinite().all().item<bool>());
    }
  }
}

TEST_F(TiledEncoderTest, NoBitHangsOnHowTilesAreBatched) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto prepared = (*encoder)->Prepare(RandomPicture(70, 130), 6);
  ASSERT_TRUE(prepared.ok());
  const at::Tensor whole = (*encoder)->Tower(prepared->tiles);
  std::vector<at::Tensor> parts;
  for (int64_t tile = 0; tile < prepared->tiles.size(0); ++tile) parts.push_back((*encoder)->Tower(prepared->tiles.narrow(0, tile, 1)));
  EXPECT_TRUE(at::equal(at::cat(parts), whole));
}

TEST_F(TiledEncoderTest, WhatCannotBeTiledIsRefused) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok());
  for (const int32_t max_tiles : {-1, kMaxTiles + 1}) {
    EXPECT_EQ((*encoder)->Prepare(RandomPicture(3, 3), max_tiles).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ((*encoder)->Prepare(RandomPicture(1, 57), 1).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(TiledEncoderTest, SeparatorsThatAreMissingOrMisshapenAreNamed) {
  const at::Tensor sub = tensors_["plora_sub_GN"];
  tensors_.erase("plora_sub_GN");
  ExpectNamed("plora_sub_GN");
  tensors_["plora_sub_GN"] = sub.view({1, 1, 4 * kWidth});
  ExpectNamed("plora_sub_GN");
  tensors_["plora_sub_GN"] = sub;
  tensors_["plora_other_GN"] = sub;
  ExpectNamed("plora_other_GN");
}

TEST_F(TiledEncoderTest, APositionTableOfAnotherGridIsNotStretched) {
  tensors_[kPositions] = at::rand({1 + 36, kWidth}).to(at::kBFloat16);
  ExpectNamed(kPositions);
}

TEST_F(TiledEncoderTest, TilesHaveAnEvenNumberOfPatches) {
  EXPECT_EQ(Load(/*side=*/42).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::vision
