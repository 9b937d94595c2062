#include "worker/process/dummy_shapes.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros.h>

#include "common/check.h"
#include "common/model_card/model_card.h"
#include "gtest/gtest.h"
#include "tests/fakes/model_crew.h"
#include "tests/fakes/rank_crew.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/model/registry.h"
#include "worker/vision/registry.h"

namespace triptych::worker {
namespace {

constexpr int32_t kTokens = 40;

// Text with a picture of 20 rows in it.
fakes::ScriptedSequence Sequence(int64_t hidden) {
  fakes::ScriptedSequence sequence{.id = 1, .prompt_tokens = kTokens};
  for (int32_t i = 0; i < kTokens; ++i) sequence.tokens.push_back(i >= 3 && i < 23 ? kImageRow : (i * 7 + 3) % 61);
  sequence.image_rows = (at::arange(20 * hidden, at::kFloat) * 0.37).sin().view({20, hidden});
  sequence.blocks.resize((kTokens + kBlockTokens - 1) / kBlockTokens);
  std::iota(sequence.blocks.begin(), sequence.blocks.end(), 0);
  return sequence;
}

class DummyShapesTest : public ::testing::Test {
 protected:
  void SetUp() override { folder_.Write("config.json", fakes::TinyConfig(options_)); }

  // Of every token of a prompt, by ranks with dummy weights.
  at::Tensor Logits(int tensor_parallel) {
    const weights::DummyLoader loader(*DummyShapes("internlm_xcomposer2", folder_.path()));
    const fakes::ScriptedSequence sequence = Sequence(options_.hidden);
    engine::StepPlan plan;
    plan.sequences.push_back(sequence.Step(0, kTokens, engine::LogitsWanted::kAll));
    at::Tensor logits;
    fakes::RankCrew(tensor_parallel).Run([&](comm::Communicator& communicator) {
      const auto runner =
          model::MakeModelRunner(folder_.path(), loader, /*num_blocks=*/8, {.communicator = &communicator});
      TRIPTYCH_CHECK(runner.ok());
      const bool first = communicator.rank() == 0;
      const at::Tensor given =
          (*runner)->Forward({.plan = &plan, .image_rows = first ? sequence.image_rows : at::Tensor()});
      if (first) logits = given;
    });
    return logits;
  }

  const fakes::TinyCheckpointOptions options_;
  const fakes::TemporaryFolder folder_;
};

TEST_F(DummyShapesTest, ADecoderRunsWithNothingButItsConfig) {
  const at::Tensor alone = Logits(1);
  EXPECT_EQ(alone.sizes(), (std::vector<int64_t>{kTokens, 61}));
  EXPECT_TRUE(at::isfinite(alone).all().item<bool>());
  EXPECT_GT(alone.std().item<double>(), 0.1);
  for (const int tensor_parallel : {2, 4}) {
    EXPECT_LT((Logits(tensor_parallel) - alone).abs().max().item<double>(), 1e-4) << tensor_parallel;
  }
}

TEST_F(DummyShapesTest, AnEncoderRunsWithNothingButItsConfig) {
  const weights::DummyLoader loader(*DummyShapes("internlm_xcomposer2", folder_.path()));
  const auto encoder = vision::LoadVisionEncoder(folder_.path(), loader, at::kCPU);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto image = (*encoder)->Prepare(at::zeros({20, 30, 3}, at::kByte), /*max_tiles=*/0);
  ASSERT_TRUE(image.ok()) << image.status();
  const at::Tensor rows = (*encoder)->Project(*image, (*encoder)->Tower(image->tiles));
  EXPECT_EQ(rows.sizes(), (std::vector<int64_t>{4, options_.hidden}));
  EXPECT_TRUE(at::isfinite(rows).all().item<bool>());
  EXPECT_GT(rows.abs().max().item<double>(), 0.1);
}

TEST(XComposer2ShapesTest, AreThePublishedOnes) {
  using Shape = std::vector<int64_t>;
  const internlm_xcomposer2::Config config{
      .hidden_size = 4096, .intermediate_size = 14336, .num_layers = 32, .img_size = 336};
  const weights::ShapeMap shapes = XComposer2Shapes(config);
  EXPECT_EQ(shapes.size(), 5u * 32 + 1);
  EXPECT_EQ(shapes.at("model.layers.0.attention.wqkv.Plora_A.weight"), (Shape{256, 4096}));
  EXPECT_EQ(shapes.at("model.layers.31.feed_forward.w2.Plora_A.weight"), (Shape{256, 14336}));
  EXPECT_EQ(shapes.at("vit.vision_tower.vision_model.embeddings.position_embedding.weight"), (Shape{577, 1024}));
  internlm_xcomposer2::Config with_tiles = config;
  with_tiles.variant = internlm_xcomposer2::Variant::k4khd;
  const weights::ShapeMap tiled = XComposer2Shapes(with_tiles);
  EXPECT_EQ(tiled.at("model.layers.7.attention.wqkv.Plora_A.weight"), (Shape{8, 4096}));
  EXPECT_EQ(tiled.at("model.layers.7.attention.wo.Plora_A.weight"), (Shape{256, 4096}));
  internlm_xcomposer2::Config with_tasks = config;
  with_tasks.task_loras = true;
  const weights::ShapeMap tasks = XComposer2Shapes(with_tasks);
  EXPECT_EQ(tasks.size(), 4u * 5 * 32 + 1);
  EXPECT_EQ(tasks.at("model.layers.7.attention.wqkv.Plora_A.weight"), (Shape{256, 4096}));
  EXPECT_EQ(tasks.at("model.layers.7.attention.wqkv.lora_sft_A.weight"), (Shape{256, 4096}));
  EXPECT_EQ(tasks.at("model.layers.0.feed_forward.w2.lora_dpo_A.weight"), (Shape{256, 14336}));
  EXPECT_EQ(tasks.at("model.layers.0.feed_forward.w2.lora_web_A.weight"), (Shape{512, 14336}));
}

// Every family's configuration is enough, for what its golden set is: the files without the weights.
class DummyFamilyTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string golden = std::string(TRIPTYCH_TEST_DATA) + "/golden/" + GetParam();
    for (const auto& file : std::filesystem::directory_iterator(golden)) {
      const std::string name = file.path().filename();
      if (name.starts_with("model") || name.starts_with("pytorch_model") || file.is_directory()) continue;
      std::filesystem::copy(file.path(), folder_.path());
    }
    auto card = LoadModelCard(folder_.path());
    ASSERT_TRUE(card.ok()) << card.status();
    card_ = *std::move(card);
    const auto facts = model::DescribeModel(folder_.path(), /*tensor_parallel=*/1, at::kFloat);
    ASSERT_TRUE(facts.ok()) << facts.status();
    auto shapes = DummyShapes(facts->family, folder_.path());
    ASSERT_TRUE(shapes.ok()) << shapes.status();
    loader_ = std::make_unique<weights::DummyLoader>(*std::move(shapes));
  }

  const fakes::TemporaryFolder folder_;
  std::unique_ptr<ModelCard> card_;
  std::unique_ptr<weights::DummyLoader> loader_;
};

TEST_P(DummyFamilyTest, ItsDecoderRuns) {
  for (const int tensor_parallel : {1, 2}) {
    fakes::ScriptedSequence sequence{.id = 1, .tokens = {1, 5, 9, 30, 7}, .prompt_tokens = 5, .blocks = {0}};
    sequence.adapter = static_cast<int32_t>(std::max<size_t>(card_->adapters().size(), 1)) - 1;
    engine::StepPlan plan;
    plan.sequences.push_back(sequence.Step(0, 5, engine::LogitsWanted::kAll));
    fakes::RankCrew(tensor_parallel).Run([&](comm::Communicator& communicator) {
      const auto runner = model::MakeModelRunner(folder_.path(), *loader_, /*num_blocks=*/2, {.communicator = &communicator});
      ASSERT_TRUE(runner.ok()) << runner.status();
      const at::Tensor logits = (*runner)->Forward({.plan = &plan});
      EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{5, card_->vocab_size()}));
      EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
      EXPECT_GT(logits.std().item<double>(), 0.1);
    });
  }
}

TEST_P(DummyFamilyTest, ItsEncoderRunsIfItHasOne) {
  if (!card_->accepts_images()) return;
  const auto encoder = vision::LoadVisionEncoder(folder_.path(), *loader_, at::kCPU);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto image = (*encoder)->Prepare(at::zeros({20, 30, 3}, at::kByte), /*max_tiles=*/1);
  ASSERT_TRUE(image.ok()) << image.status();
  const at::Tensor rows = (*encoder)->Project(*image, (*encoder)->Tower(image->tiles));
  EXPECT_EQ(rows.sizes(), (std::vector<int64_t>{*card_->ImageRows({{30, 20}, 1}), card_->hidden_size()}));
  EXPECT_TRUE(at::isfinite(rows).all().item<bool>());
  EXPECT_GT(rows.abs().max().item<double>(), 0.1);
}

INSTANTIATE_TEST_SUITE_P(Sets,
                         DummyFamilyTest,
                         ::testing::Values("internlm2-tiny", "llama-tiny", "llama-tied-tiny", "llava-tiny", "xcomposer1-tiny",
                                           "xcomposer2-vl-tiny", "xcomposer2-4khd-tiny", "xcomposer2d5-tiny"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(DummyShapesFamilyTest, OtherFamiliesReadNoneFromShapes) {
  for (const char* family : {"llama", "internlm2", "internlm_xcomposer"}) EXPECT_TRUE(DummyShapes(family, "/absent")->empty());
  EXPECT_EQ(DummyShapes("llava", "/absent").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(DummyShapes("internlm_xcomposer2", "/absent").status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::worker
