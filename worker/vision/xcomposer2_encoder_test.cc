#include "worker/vision/xcomposer2_encoder.h"

#include <cstring>
#include <memory>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/vision/clip_pixels.h"
#include "worker/vision/position_table.h"
#include "worker/vision/registry.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {
namespace {

constexpr char kTable[] = "vit.vision_tower.vision_model.embeddings.position_embedding.weight";

class XComposer2EncoderTest : public testing::Test {
 protected:
  XComposer2EncoderTest() : tensors_(fakes::TinyTensors({})) {}

  StatusOr<std::unique_ptr<VisionEncoder>> Load() {
    fakes::WriteCheckpoint(folder_.path(), fakes::TinyConfig({}), tensors_);
    TRIPTYCH_ASSIGN_OR_RETURN(const auto loader, weights::LoadCheckpoint(folder_.path()));
    return LoadVisionEncoder(folder_.path(), *loader, at::kCPU);
  }

  fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_;
};

at::Tensor RandomPicture(int64_t height, int64_t width) { return at::randint(256, {height, width, 3}, at::kByte); }

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && std::memcmp(a.contiguous().const_data_ptr(), b.contiguous().const_data_ptr(), a.nbytes()) == 0;
}

TEST_F(XComposer2EncoderTest, EveryShapeGivesOneTileAndAllItsRows) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 90}, {28, 28}, {300, 200}, {3, 2000}}) {
    const auto prepared = (*encoder)->Prepare(RandomPicture(height, width), 0);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    EXPECT_EQ(prepared->tiles.sizes(), at::IntArrayRef({1, 3, 28, 28}));
    EXPECT_EQ(prepared->rows, 4);
    const at::Tensor rows = (*encoder)->Project(*prepared, (*encoder)->Tower(prepared->tiles));
    EXPECT_EQ(rows.sizes(), at::IntArrayRef({4, (*encoder)->hidden_size()}));
    EXPECT_TRUE(rows.isfinite().all().item<bool>());
  }
  EXPECT_EQ((*encoder)->Prepare(RandomPicture(3, 3), -1).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(XComposer2EncoderTest, TilesDoNotSeeEachOther) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const at::Tensor a = (*encoder)->Prepare(RandomPicture(40, 30), 0)->tiles;
  const at::Tensor b = (*encoder)->Prepare(RandomPicture(30, 40), 0)->tiles;
  const at::Tensor together = (*encoder)->Tower(at::cat({a, b, a}));
  EXPECT_TRUE(SameBits(together[0], (*encoder)->Tower(a)[0]));
  EXPECT_TRUE(SameBits(together[1], (*encoder)->Tower(b)[0]));
  EXPECT_TRUE(SameBits(together[2], together[0]));
  EXPECT_FALSE(SameBits(together[1], together[0]));
}

TEST_F(XComposer2EncoderTest, ATableOfAnotherGridIsStretched) {
  const int64_t width = tensors_.at(kTable).size(1);
  // Constant tables look the same at every size.
  tensors_[kTable] = at::full({1 + 4, width}, 0.25, at::kBFloat16);
  const auto small = Load();
  tensors_[kTable] = at::full({1 + 36, width}, 0.25, at::kBFloat16);
  const auto large = Load();
  ASSERT_TRUE(small.ok() && large.ok()) << large.status();
  const at::Tensor tile = (*small)->Prepare(RandomPicture(28, 28), 0)->tiles;
  EXPECT_LT(((*small)->Tower(tile) - (*large)->Tower(tile)).abs().max().item<double>(), 1e-5);
}

TEST_F(XComposer2EncoderTest, MissingAndMisshapenTensorsAreNamed) {
  const std::string bias = "vit.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias";
  const at::Tensor stored = tensors_.at(bias);
  tensors_.erase(bias);
  EXPECT_EQ(Load().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(Load().status()).find(bias), std::string_view::npos) << Load().status();
  tensors_[bias] = at::zeros({3}, at::kBFloat16);
  EXPECT_NE(Message(Load().status()).find(bias), std::string_view::npos) << Load().status();
  tensors_[bias] = stored;
  tensors_[kTable] = at::zeros({7, 16}, at::kBFloat16);  // no square grid
  EXPECT_NE(Message(Load().status()).find(kTable), std::string_view::npos) << Load().status();
}

TEST_F(XComposer2EncoderTest, ATensorThatNobodyReadsIsNamed) {
  tensors_["vit.vision_tower.vision_model.surprise"] = at::zeros({2}, at::kBFloat16);
  EXPECT_NE(Message(Load().status()).find("surprise"), std::string_view::npos) << Load().status();
}

TEST(ClipVitSizesTest, ImpossibleSizesAreRefused) {
  EXPECT_TRUE(ClipVitSizes{}.Validate().ok());
  EXPECT_FALSE(ClipVitSizes{.num_heads = 0}.Validate().ok());
  EXPECT_FALSE(ClipVitSizes{.num_heads = 7}.Validate().ok());
  EXPECT_FALSE(ClipVitSizes{.image_size = 335}.Validate().ok());
  EXPECT_FALSE(ClipVitSizes{.patch_size = 0}.Validate().ok());
}

TEST(PositionTableTest, TheSameGridIsTheSameTable) {
  const at::Tensor table = at::arange(10 * 3, at::kFloat).view({10, 3});
  EXPECT_LT((StretchPositions(table, 3) - table).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(StretchPositions(table, 7).sizes(), at::IntArrayRef({50, 3}));
}

TEST(ClipPixelsTest, EachStepIsRoundedToFloat) {
  at::Tensor rgb = at::zeros({1, 256, 3}, at::kByte);
  for (int value = 0; value < 256; ++value) rgb[0][value].fill_(value);
  const at::Tensor planes = NormalizeForClip(rgb);
  ASSERT_EQ(planes.sizes(), at::IntArrayRef({3, 1, 256}));
  EXPECT_EQ(planes.const_data_ptr<float>()[0], (0.0f - 0.48145466f) / 0.26862954f);
  EXPECT_EQ(planes.const_data_ptr<float>()[2 * 256 + 255], (1.0f - 0.40821073f) / 0.27577711f);
  EXPECT_NEAR(planes.const_data_ptr<float>()[256 + 128], (128 / 255.0 - 0.4578275) / 0.26130258, 1e-6);
}

}  // namespace
}  // namespace triptych::vision
