#include "worker/model/registry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"

namespace triptych::model {
namespace {

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

}  // namespace
}  // namespace triptych::model
