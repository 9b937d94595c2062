#include "worker/model/registry.h"

#include <ATen/ops/zeros.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/rank_crew.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/quantization/scheme.h"

namespace triptych::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RegistryTest : public ::testing::Test {
 protected:
  StatusOr<ModelFacts> Describe(const fakes::TinyCheckpointOptions& options, int tensor_parallel) {
    folder_.Write("config.json", fakes::TinyConfig(options));
    return DescribeModel(folder_.path(), tensor_parallel, at::kFloat);
  }

  fakes::TemporaryFolder folder_;
};

TEST_F(RegistryTest, DescribesAModelByItsConfigAlone) {
  const auto facts = Describe({}, /*tensor_parallel=*/1);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->family, "internlm_xcomposer2");
  EXPECT_EQ(facts->vocab_size, 61);
  EXPECT_EQ(facts->hidden_size, 32);
  EXPECT_EQ(facts->rotary_trained_tokens, 64);
  // Keys and values of 2 layers, 2 heads of 8 numbers, 16 tokens, in float32.
  EXPECT_EQ(facts->kv_block_bytes, 2 * 2 * 2 * 8 * 16 * 4);
}

TEST_F(RegistryTest, KvHeadsAreSplitAndThenRepeated) {
  const int64_t whole = Describe({}, 1)->kv_block_bytes;
  EXPECT_EQ(Describe({}, 2)->kv_block_bytes, whole / 2);
  EXPECT_EQ(Describe({}, 4)->kv_block_bytes, whole / 2);
}

TEST_F(RegistryTest, ABlockIsAsLargeAsOnTheRankWithTheMostKvHeads) {
  const fakes::TinyCheckpointOptions options{.hidden = 72, .num_heads = 9, .num_kv_heads = 3};
  const int64_t whole = Describe(options, 1)->kv_block_bytes;
  EXPECT_EQ(Describe(options, 2)->kv_block_bytes, whole / 3 * 2);
  for (const int size : {3, 4, 5, 9}) {
    EXPECT_EQ(Describe(options, size)->kv_block_bytes, whole / 3) << size;
  }
}

TEST_F(RegistryTest, OnlyDynamicScalingHangsOnTheLength) {
  EXPECT_EQ(Describe({.rope_scaling = "null"}, 1)->rotary_trained_tokens, 0);
  const std::string linear = R"({"type":"linear","factor":2.0})";
  EXPECT_EQ(Describe({.rope_scaling = linear}, 1)->rotary_trained_tokens, 0);
}

TEST_F(RegistryTest, RefusesRanksThatCannotShareIt) {
  const Status heads = Describe({}, 5).status();
  EXPECT_EQ(heads.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(heads)), HasSubstr("4 query heads"));
  EXPECT_THAT(std::string(Message(Describe({.intermediate = 3}, 4).status())),
              HasSubstr("3 intermediate features"));
}

TEST_F(RegistryTest, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(DescribeModel(folder_.File("absent"), 1, at::kFloat).ok());
  for (const char* config : {"", "[]", "{}", R"({"model_type":3})"}) {
    folder_.Write("config.json", config);
    EXPECT_THAT(std::string(Message(DescribeModel(folder_.path(), 1, at::kFloat).status())),
                HasSubstr("config.json"))
        << config;
  }
  folder_.Write("config.json", R"({"model_type":"gpt2"})");
  EXPECT_THAT(std::string(Message(DescribeModel(folder_.path(), 1, at::kFloat).status())),
              HasSubstr("model_type 'gpt2' is not served"));
}

// A checkpoint's refusal when it is loaded by one rank that wants `weights`.
std::string LoadRefusal(const std::string& dir, const std::string& weights = "stored") {
  const auto loader = weights::LoadCheckpoint(dir);
  EXPECT_TRUE(loader.ok()) << loader.status();
  std::string message;
  fakes::RankCrew(1).Run([&](comm::Communicator& communicator) {
    const auto runner = MakeModelRunner(
        dir,
        **loader,
        /*num_blocks=*/4,
        {.communicator = &communicator, .quantization = *quantization::ParseWeights(weights)});
    EXPECT_EQ(runner.status().code(), StatusCode::kFailedPrecondition);
    message = Message(runner.status());
  });
  return message;
}

TEST_F(RegistryTest, RefusesQuantisedTensorsOfWhichNoConfigTells) {
  fakes::CheckpointTensors tensors = fakes::TinyTensors({});
  const std::string layer = "model.layers.1.attention.wo";
  tensors.erase(layer + ".weight");
  tensors[layer + ".linear.qweight"] = at::zeros({4, 32}, at::kInt);
  fakes::WriteCheckpoint(folder_.path(), fakes::TinyConfig({}), tensors);
  EXPECT_THAT(LoadRefusal(folder_.path()),
              AllOf(HasSubstr("'model.layers.1.attention.wo.linear.qweight' is quantised"),
                    HasSubstr("quantization_config"),
                    HasSubstr("quantize_config.json")));
}

TEST_F(RegistryTest, RefusesAQuantisedLayerThatIsNotWhole) {
  fakes::CheckpointTensors tensors = fakes::TinyTensors({});
  const std::string layer = "model.layers.0.attention.wqkv";  // 32 inputs, 64 outputs
  tensors.erase(layer + ".weight");
  tensors[layer + ".linear.qweight"] = at::zeros({4, 64}, at::kInt);
  tensors[layer + ".linear.qzeros"] = at::zeros({2, 8}, at::kInt);
  tensors[layer + ".linear.scales"] = at::zeros({2, 64}, at::kHalf);
  fakes::WriteCheckpoint(folder_.path(), fakes::TinyConfig({}), tensors);
  folder_.Write("quantize_config.json", R"({"bits": 4, "group_size": 16})");
  EXPECT_THAT(LoadRefusal(folder_.path()), HasSubstr("'" + layer + ".linear.g_idx' is missing"));
  tensors[layer + ".linear.g_idx"] = at::zeros({32}, at::kInt);
  tensors["model.norm.scales"] = at::zeros({1});
  fakes::WriteCheckpoint(folder_.path(), fakes::TinyConfig({}), tensors);
  EXPECT_THAT(LoadRefusal(folder_.path()),
              HasSubstr("'model.norm.scales' is not part of this model"));
  EXPECT_THAT(LoadRefusal(folder_.path(), "int4"), HasSubstr("quantised already (gptq, 4 bits"));
}

}  // namespace
}  // namespace triptych::model
