// What the golden set does not show of InternLM-XComposer's decoder: which tensors it wants, and
// that its low-rank pairs are those that config.json names.
#include "common/text_file.h"
#include "worker/model/internlm_xcomposer/decoder.h"

#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

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

using testing::AllOf;
using testing::HasSubstr;

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer1-tiny";
const std::string kLayer = "internlm_model.model.layers.1.";

// The golden checkpoint's tensors and config.json, for changes.
class InternLmXComposerDecoderTest : public testing::Test {
 protected:
  InternLmXComposerDecoderTest() {
    const auto loader = *weights::LoadCheckpoint(kGolden);
    for (const std::string& name : loader->Names()) {
      tensors_[name] = loader->Load(name, *loader->Shape(name), weights::Slice::All())->clone();
    }
    config_ = nlohmann::json::parse(*ReadTextFile(kGolden + "/config.json"));
  }
  StatusOr<std::unique_ptr<fakes::ModelCrew>> Load(int tensor_parallel = 1) {
    fakes::WriteCheckpoint(folder_.path(), config_.dump(), tensors_);
    return fakes::ModelCrew::Load(folder_.path(), tensor_parallel, /*num_blocks=*/8);
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

TEST_F(InternLmXComposerDecoderTest, MissingTensorsAreNamed) {
  for (const std::string& name : {kLayer + "self_attn.o_proj.bias",
                                  kLayer + "mlp.up_proj.lora_B.weight",
                                  std::string("internlm_model.lm_head.weight")}) {
    const at::Tensor stored = tensors_.at(name);
    tensors_.erase(name);
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(name), HasSubstr("missing")));
    tensors_[name] = stored;
  }
}

TEST_F(InternLmXComposerDecoderTest, TensorsThatNobodyReadsAreNamed) {
  for (const std::string& name : {kLayer + "self_attn.k_proj.lora_A.weight",
                                  kLayer + "mlp.gate_proj.bias",
                                  std::string("vit.class_embedding")}) {
    tensors_[name] = at::ones({3});
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(name), HasSubstr("not part of this model")));
    tensors_.erase(name);
  }
}

TEST_F(InternLmXComposerDecoderTest, BuffersOfThePublishedCodeAreIgnored) {
  const at::Tensor wanted = Logits();
  tensors_[kLayer + "self_attn.rotary_emb.inv_freq"] = at::ones({8});
  EXPECT_TRUE(at::equal(Logits(), wanted));
}

TEST_F(InternLmXComposerDecoderTest, LowRankPairsAreThoseOfTheConfig) {
  const at::Tensor with_all = Logits();
  config_["internlm_lora"]["lora_alpha"] = 16;  // scale 2
  EXPECT_GT((Logits() - with_all).abs().max().item<double>(), 1e-3);
  config_["internlm_lora"]["lora_r"] = 7;
  EXPECT_THAT(Refusal(), HasSubstr("lora_A.weight"));
  config_["internlm_lora"] = nullptr;
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("lora_"), HasSubstr("not part of this model")));
  std::erase_if(tensors_, [](const auto& entry) {
    return entry.first.find(".lora_") != std::string::npos;
  });
  EXPECT_GT((Logits() - with_all).abs().max().item<double>(), 1e-3);
}

TEST_F(InternLmXComposerDecoderTest, DescribesItself) {
  const auto facts = DescribeModel(kGolden, /*tensor_parallel=*/2, at::kFloat);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->family, "internlm_xcomposer");
  EXPECT_EQ(facts->vocab_size, 372);
  EXPECT_EQ(facts->context_tokens, 2048);
  EXPECT_EQ(facts->rotary_trained_tokens, 0);
  // Keys and values of 3 layers, 2 of 4 heads of 16 numbers, 16 tokens, in float32.
  EXPECT_EQ(facts->kv_block_bytes, 2 * 3 * 2 * 16 * 16 * 4);
}

}  // namespace
}  // namespace triptych::model
