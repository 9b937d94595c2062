// What golden sets do not show of the plain families' decoders: which tensors they want, and how they describe themselves.
#include "common/text_file.h"
#include "worker/model/llama/decoder.h"

#include <string>

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>

#include "common/json/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/model_crew.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/model/registry.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kNumBlocks = 8;

std::string Golden(const std::string& name) {
  return std::string(TRIPTYCH_TEST_DATA) + "/golden/" + name;
}

// A golden checkpoint's tensors and config.json, for changes.
class PlainDecoderTest : public ::testing::Test {
 protected:
  void Read(const std::string& name) {
    const auto loader = weights::LoadCheckpoint(Golden(name));
    ASSERT_TRUE(loader.ok()) << loader.status();
    tensors_.clear();
    for (const std::string& tensor : (*loader)->Names()) {
      tensors_[tensor] =
          (*loader)->Load(tensor, *(*loader)->Shape(tensor), weights::Slice::All())->clone();
    }
    config_ = nlohmann::json::parse(*ReadTextFile(Golden(name) + "/config.json"));
  }
  StatusOr<std::unique_ptr<fakes::ModelCrew>> Load(int tensor_parallel = 1) {
    fakes::WriteCheckpoint(folder_.path(), config_.dump(), tensors_);
    return fakes::ModelCrew::Load(folder_.path(), tensor_parallel, kNumBlocks);
  }
  std::string Refusal() {
    const auto model = Load();
    EXPECT_EQ(model.status().code(), StatusCode::kFailedPrecondition);
    return std::string(Message(model.status()));
  }
  at::Tensor Logits() {
    const auto model = Load();
    EXPECT_TRUE(model.ok()) << model.status();
    const fakes::ScriptedSequence sequence{
        .tokens = {1, 5, 9, 30, 7}, .prompt_tokens = 5, .blocks = {0}};
    return fakes::RunInChunks(**model, sequence, 5);
  }

  fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_;
  nlohmann::json config_;
};

TEST_F(PlainDecoderTest, MissingTensorsAreNamed) {
  for (const auto& [set, name] :
       {std::pair<const char*, const char*>{"llama-tiny", "model.layers.1.self_attn.k_proj.weight"},
        {"llama-tiny", "lm_head.weight"},
        {"llama-tied-tiny", "model.layers.0.self_attn.o_proj.bias"},
        {"llama-tied-tiny", "model.layers.1.mlp.down_proj.bias"},
        {"internlm2-tiny", "model.layers.1.attention.wqkv.bias"},
        {"llava-tiny", "language_model.model.norm.weight"}}) {
    Read(set);
    ASSERT_EQ(tensors_.erase(name), 1u) << name;
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(name), HasSubstr("missing"))) << name;
  }
}

TEST_F(PlainDecoderTest, TensorsThatNobodyReadsAreNamed) {
  for (const auto& [set, name] : {std::pair<const char*, const char*>{
                                      "llama-tiny", "model.layers.0.self_attn.q_proj.bias"},
                                  {"llama-tiny", "vision_tower.x"},
                                  {"internlm2-tiny", "model.layers.0.attention.wo.Plora_A.weight"},
                                  {"llava-tiny", "image_newline"}}) {
    Read(set);
    tensors_[name] = at::ones({3});
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(name), HasSubstr("not part of this model")));
  }
}

TEST_F(PlainDecoderTest, ATableStoredTwiceIsReadOnceWhereTheTwoAreTied) {
  Read("llama-tied-tiny");
  const at::Tensor wanted = Logits();
  tensors_["lm_head.weight"] = at::ones_like(tensors_["model.embed_tokens.weight"]);
  EXPECT_TRUE(at::equal(Logits(), wanted));
  config_["tie_word_embeddings"] = false;
  EXPECT_FALSE(at::equal(Logits(), wanted));
}

TEST_F(PlainDecoderTest, LinearScalingIsReadFromTheConfig) {
  Read("llama-tiny");
  const at::Tensor plain = Logits();
  config_["rope_scaling"] = {{"type", "linear"}, {"factor", 1.0}};
  EXPECT_TRUE(at::equal(Logits(), plain));
  config_["rope_scaling"]["factor"] = 2.0;
  const at::Tensor slowed = Logits();
  EXPECT_TRUE(at::equal(slowed[0], plain[0]));  // position 0
  EXPECT_FALSE(at::equal(slowed[4], plain[4]));
}

TEST_F(PlainDecoderTest, FamiliesDescribeThemselves) {
  const auto llama = DescribeModel(Golden("llama-tied-tiny"), /*tensor_parallel=*/2, at::kFloat);
  ASSERT_TRUE(llama.ok()) << llama.status();
  EXPECT_EQ(llama->family, "llama");
  EXPECT_EQ(llama->rotary_trained_tokens, 0);
  // Keys and values of 2 layers, 2 of 3 heads of 12 numbers, 16 tokens, in float32.
  EXPECT_EQ(llama->kv_block_bytes, 2 * 2 * 2 * 12 * 16 * 4);
  const auto internlm2 = DescribeModel(Golden("internlm2-tiny"), 1, at::kFloat);
  EXPECT_EQ(internlm2->family, "internlm2");
  EXPECT_EQ(internlm2->rotary_trained_tokens, 80);
  EXPECT_EQ(internlm2->context_tokens, 400);
  const auto llava = DescribeModel(Golden("llava-tiny"), 1, at::kFloat);
  EXPECT_EQ(llava->family, "llava");
  EXPECT_EQ(llava->vocab_size, 400);
}

}  // namespace
}  // namespace triptych::model
