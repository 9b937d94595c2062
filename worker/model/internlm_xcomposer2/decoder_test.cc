#include "worker/model/internlm_xcomposer2/decoder.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/model_crew.h"
#include "tests/fakes/reference_decoder.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"

namespace triptych::model::internlm_xcomposer2 {
namespace {

using engine::LogitsWanted;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int32_t kNumBlocks = 24;

// Three kv heads of three query heads each; neither they, nor what is between the projections, nor
// the vocabulary is a multiple of the ranks that share them.
fakes::TinyCheckpointOptions UnevenOptions() {
  return {.hidden = 72, .intermediate = 50, .num_heads = 9, .num_kv_heads = 3};
}

// Text and two pictures of 20 and 5 rows; with `total` beyond 64 the rotary base is stretched.
fakes::ScriptedSequence Sequence(int32_t total,
                                 int32_t prompt,
                                 engine::BlockId first_block = 0,
                                 int64_t hidden = 32) {
  fakes::ScriptedSequence sequence{.id = 1, .prompt_tokens = prompt};
  for (int32_t i = 0; i < total; ++i) {
    const bool is_image = (i >= 3 && i < 23) || (i >= 30 && i < 35);
    sequence.tokens.push_back(is_image ? kImageRow : (i * 7 + 3) % 61);
  }
  sequence.image_rows = (at::arange(25 * hidden, at::kFloat) * 0.37).sin().view({25, hidden});
  sequence.blocks.resize((total + kBlockTokens - 1) / kBlockTokens);
  std::iota(sequence.blocks.begin(), sequence.blocks.end(), first_block);
  return sequence;
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// The `count` tokens that follow a sequence's prompt, greedily.
std::vector<TokenId> Greedy(fakes::ModelCrew& model, fakes::ScriptedSequence sequence, int count) {
  std::vector<TokenId> chosen;
  int32_t begin = 0;
  while (static_cast<int>(chosen.size()) < count) {
    const auto end = static_cast<int32_t>(sequence.tokens.size());
    engine::StepPlan plan;
    plan.sequences.push_back(sequence.Step(begin, end, LogitsWanted::kLast));
    const at::Tensor logits = model.Forward(plan, sequence.ImageRows(begin, end));
    chosen.push_back(logits[0].argmax().item<int32_t>());
    sequence.tokens.push_back(chosen.back());
    begin = end;
  }
  return chosen;
}

class DecoderTest : public ::testing::Test {
 protected:
  std::unique_ptr<fakes::ModelCrew> Load(const fakes::TinyCheckpointOptions& options,
                                         int tensor_parallel = 1) {
    fakes::WriteTinyCheckpoint(folder_.path(), options);
    auto model = fakes::ModelCrew::Load(folder_.path(), tensor_parallel, kNumBlocks);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  std::string Refusal(const fakes::CheckpointTensors& tensors, int tensor_parallel = 1) {
    fakes::WriteCheckpoint(folder_.path(), fakes::TinyConfig({}), tensors);
    const auto model = fakes::ModelCrew::Load(folder_.path(), tensor_parallel, kNumBlocks);
    EXPECT_EQ(model.status().code(), StatusCode::kFailedPrecondition);
    return std::string(Message(model.status()));
  }

  fakes::TemporaryFolder folder_;
};

TEST_F(DecoderTest, AgreesWithTheSpecification) {
  for (const int64_t plora_rank : {6, 8}) {
    const fakes::TinyCheckpointOptions options{.plora_rank = plora_rank};
    for (const int tensor_parallel : {1, 2, 3, 4}) {
      const auto model = Load(options, tensor_parallel);
      for (const auto& [total, prompt] :
           {std::pair{50, 50}, std::pair{90, 80}, std::pair{70, 40}}) {
        const fakes::ScriptedSequence sequence = Sequence(total, prompt);
        const at::Tensor wanted = fakes::ReferenceLogits(
            options, fakes::TinyTensors(options), sequence.tokens, sequence.image_rows, prompt);
        const at::Tensor logits = fakes::RunInChunks(*model, sequence, total);
        EXPECT_LT(MaxDifference(logits, wanted), 1e-4)
            << plora_rank << " " << tensor_parallel << " " << total;
      }
    }
  }
}

TEST_F(DecoderTest, NoBitHangsOnChunks) {
  for (const int tensor_parallel : {1, 2}) {
    const auto model = Load({}, tensor_parallel);
    for (const auto& [total, prompt] : {std::pair{60, 50}, std::pair{90, 80}}) {
      const fakes::ScriptedSequence sequence = Sequence(total, prompt);
      const at::Tensor whole = fakes::RunInChunks(*model, sequence, total);
      for (const int32_t chunk : {1, 7, 16}) {
        EXPECT_TRUE(at::equal(fakes::RunInChunks(*model, sequence, chunk), whole)) << chunk;
      }
    }
  }
}

TEST_F(DecoderTest, NoBitHangsOnTheBatchOrTheBlocks) {
  for (const auto& [options, tensor_parallel] :
       {std::pair{fakes::TinyCheckpointOptions{}, 1}, std::pair{UnevenOptions(), 4}}) {
    const auto model = Load(options, tensor_parallel);
    const fakes::ScriptedSequence first = Sequence(40, 40, /*first_block=*/0, options.hidden);
    fakes::ScriptedSequence second = Sequence(70, 70, /*first_block=*/8, options.hidden);
    second.id = 2;
    std::reverse(second.blocks.begin(), second.blocks.end());
    const at::Tensor first_alone = fakes::RunInChunks(*model, first, 40);
    const at::Tensor second_alone = fakes::RunInChunks(*model, second, 70);

    engine::StepPlan plan;
    plan.sequences.push_back(second.Step(0, 70, LogitsWanted::kAll));
    plan.sequences.push_back(first.Step(0, 40, LogitsWanted::kAll));
    const at::Tensor together =
        model->Forward(plan, at::cat({second.ImageRows(0, 70), first.ImageRows(0, 40)}));
    EXPECT_TRUE(at::equal(together, at::cat({second_alone, first_alone}))) << tensor_parallel;
  }
}

TEST_F(DecoderTest, RanksWithUnequalSharesAgreeWithOne) {
  const fakes::TinyCheckpointOptions options = UnevenOptions();
  const fakes::ScriptedSequence sequence = Sequence(90, 80, /*first_block=*/0, options.hidden);
  fakes::ScriptedSequence prompt = Sequence(60, 60, /*first_block=*/0, options.hidden);
  prompt.blocks = sequence.blocks;
  const auto alone = Load(options);
  const at::Tensor wanted = fakes::RunInChunks(*alone, sequence, 90);
  const std::vector<TokenId> tokens = Greedy(*alone, prompt, 30);
  const at::Tensor specified = fakes::ReferenceLogits(
      options, fakes::TinyTensors(options), sequence.tokens, sequence.image_rows, 80);
  for (const int tensor_parallel : {2, 3, 4, 5, 9}) {
    const auto model = Load(options, tensor_parallel);
    const at::Tensor logits = fakes::RunInChunks(*model, sequence, 90);
    EXPECT_LT(MaxDifference(logits, wanted), 1e-4) << tensor_parallel;
    EXPECT_LT(MaxDifference(logits, specified), 1e-4) << tensor_parallel;
    EXPECT_EQ(Greedy(*model, prompt, 30), tokens) << tensor_parallel;
    for (const int32_t chunk : {1, 7}) {
      EXPECT_TRUE(at::equal(fakes::RunInChunks(*model, sequence, chunk), logits))
          << tensor_parallel << " " << chunk;
    }
  }
}

TEST_F(DecoderTest, GivesLogitsToWhoWantsThem) {
  const auto model = Load({});
  const fakes::ScriptedSequence sequence = Sequence(40, 40);
  const at::Tensor all = fakes::RunInChunks(*model, sequence, 40);
  engine::StepPlan plan;
  plan.sequences.push_back(sequence.Step(0, 36, LogitsWanted::kNone));
  EXPECT_EQ(model->Forward(plan, sequence.ImageRows(0, 36)).sizes(), (std::vector<int64_t>{0, 61}));
  plan.sequences[0] = sequence.Step(36, 40, LogitsWanted::kLast);
  EXPECT_TRUE(at::equal(model->Forward(plan), all.narrow(0, 39, 1)));
}

TEST_F(DecoderTest, ACopiedBlockServesItsNewOwner) {
  const auto model = Load({});
  fakes::ScriptedSequence sequence = Sequence(40, 39);
  const at::Tensor wanted = fakes::RunInChunks(*model, sequence, 40).narrow(0, 39, 1);
  engine::StepPlan plan;
  plan.copies = {{sequence.blocks[2], 20}};
  sequence.blocks[2] = 20;
  plan.sequences.push_back(sequence.Step(39, 40, LogitsWanted::kLast));
  EXPECT_TRUE(at::equal(model->Forward(plan), wanted));
}

TEST_F(DecoderTest, PartialLoraTouchesWhatSeesPictures) {
  const fakes::ScriptedSequence sequence = Sequence(40, 40);
  const at::Tensor with = fakes::RunInChunks(*Load({}), sequence, 40);
  fakes::CheckpointTensors tensors = fakes::TinyTensors({});
  for (auto& [name, tensor] : tensors) {
    if (name.find("Plora_B") != std::string::npos) tensor = at::zeros_like(tensor);
  }
  fakes::WriteCheckpoint(folder_.path(), fakes::TinyConfig({}), tensors);
  const auto plain = fakes::ModelCrew::Load(folder_.path(), 1, kNumBlocks);
  ASSERT_TRUE(plain.ok()) << plain.status();
  const at::Tensor without = fakes::RunInChunks(**plain, sequence, 40);
  EXPECT_TRUE(at::equal(with.narrow(0, 0, 3), without.narrow(0, 0, 3)));  // text before it
  EXPECT_FALSE(at::allclose(with.narrow(0, 3, 1), without.narrow(0, 3, 1)));
}

TEST_F(DecoderTest, AMissingTensorIsNamed) {
  for (const std::string name : {"output.weight",
                                 "model.layers.1.attention.wqkv.weight",
                                 "model.layers.0.feed_forward.w2.Plora_A.weight",
                                 "model.layers.1.ffn_norm.weight"}) {
    fakes::CheckpointTensors tensors = fakes::TinyTensors({});
    tensors.erase(name);
    EXPECT_THAT(Refusal(tensors), AllOf(HasSubstr(name), HasSubstr("missing"))) << name;
  }
}

TEST_F(DecoderTest, AMisshapenTensorIsNamedWithBothShapes) {
  fakes::CheckpointTensors tensors = fakes::TinyTensors({});
  at::Tensor& weight = tensors["model.layers.0.feed_forward.w1.weight"];
  weight = weight.narrow(0, 0, 47).contiguous();
  EXPECT_THAT(Refusal(tensors),
              AllOf(HasSubstr("'model.layers.0.feed_forward.w1.weight'"),
                    HasSubstr("[47, 32], wanted [48, 32]")));
}

TEST_F(DecoderTest, AnExtraTensorIsNamed) {
  fakes::CheckpointTensors tensors = fakes::TinyTensors({});
  const std::string extra = "model.layers.0.attention.wqkv.lora_web_A.weight";
  tensors[extra] = tensors["model.layers.0.attention.wqkv.Plora_A.weight"];
  EXPECT_THAT(Refusal(tensors), HasSubstr(extra));
}

TEST_F(DecoderTest, MoreRanksThanQueryHeadsAreRefused) {
  EXPECT_THAT(Refusal(fakes::TinyTensors({}), /*tensor_parallel=*/5), HasSubstr("4 query heads"));
}

}  // namespace
}  // namespace triptych::model::internlm_xcomposer2
