#include "worker/model/internlm_xcomposer/lora_loader.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"

namespace triptych::model::internlm_xcomposer {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;
using weights::Slice;

constexpr int64_t kOut = 21;
constexpr int64_t kIn = 34;
constexpr int64_t kRank = 5;

// Two layers, of which "a" has a pair, and a vector.
class LoraLoaderTest : public testing::Test {
 protected:
  LoraLoaderTest() {
    for (const char* name : {"a.weight", "b.weight"}) {
      tensors_[name] = at::randn({kOut, kIn}).to(at::kHalf);
    }
    tensors_["a.lora_A.weight"] = at::randn({kRank, kIn}).to(at::kHalf);
    tensors_["a.lora_B.weight"] = at::randn({kOut, kRank}).to(at::kHalf);
    tensors_["a.bias"] = at::randn({kOut}).to(at::kHalf);
  }
  const LoraLoader& Open(double scale = 1) {
    fakes::WriteCheckpoint(folder_.path(), "{}", tensors_);
    stored_ = *weights::LoadCheckpoint(folder_.path());
    loader_ = std::make_unique<LoraLoader>(
        stored_.get(), LoraSpec{.layers = {"a"}, .rank = kRank, .scale = scale});
    return *loader_;
  }

  fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_;
  std::unique_ptr<weights::WeightLoader> stored_;
  std::unique_ptr<LoraLoader> loader_;
};

TEST_F(LoraLoaderTest, AddsTheScaledProductToTheWeight) {
  const auto wide = [this](const char* name) { return tensors_[name].to(at::kDouble); };
  for (const double scale : {1.0, 0.5, 3.0}) {
    const at::Tensor wanted =
        wide("a.weight") + scale * at::matmul(wide("a.lora_B.weight"), wide("a.lora_A.weight"));
    const auto sum = Open(scale).Load("a.weight", {kOut, kIn}, Slice::All());
    ASSERT_TRUE(sum.ok()) << sum.status();
    EXPECT_EQ(sum->scalar_type(), at::kFloat);
    EXPECT_LT((*sum - wanted).abs().max().item<double>(), 2e-5);
  }
}

TEST_F(LoraLoaderTest, SlicesHaveTheBitsOfTheWhole) {
  const LoraLoader& loader = Open();
  const at::Tensor whole = *loader.Load("a.weight", {kOut, kIn}, Slice::All());
  for (const int dim : {0, 1}) {
    for (int64_t begin = 0; begin < whole.size(dim); begin += 3) {
      for (int64_t end = begin + 1; end <= whole.size(dim); end += 5) {
        const auto part = loader.Load("a.weight", {kOut, kIn}, {dim, begin, end});
        ASSERT_TRUE(part.ok()) << part.status();
        EXPECT_TRUE(at::equal(*part, whole.slice(dim, begin, end))) << dim << " " << begin;
      }
    }
  }
}

TEST_F(LoraLoaderTest, PassesOnWhatHasNoPair) {
  const LoraLoader& loader = Open();
  EXPECT_TRUE(
      at::equal(*loader.Load("b.weight", {kOut, kIn}, Slice::All()), tensors_["b.weight"]));
  EXPECT_TRUE(
      at::equal(*loader.Load("a.bias", {kOut}, {0, 2, 9}), tensors_["a.bias"].slice(0, 2, 9)));
  EXPECT_TRUE(loader.Has("b.weight"));
  EXPECT_EQ(*loader.Shape("a.bias"), std::vector<int64_t>{kOut});
  EXPECT_EQ(loader.StoredBytes("a.bias"), 2 * kOut);
}

TEST_F(LoraLoaderTest, PairsAreNotAmongItsNamesUnlessTheyStandBesideOtherLayers) {
  tensors_["b.lora_A.weight"] = at::randn({kRank, kIn}).to(at::kHalf);
  EXPECT_THAT(Open().Names(),
              UnorderedElementsAre("a.weight", "a.bias", "b.weight", "b.lora_A.weight"));
}

TEST_F(LoraLoaderTest, PairsThatAreMissingOrOfAnotherRankAreNamed) {
  const auto refusal = [this] {
    const auto sum = Open().Load("a.weight", {kOut, kIn}, Slice::All());
    EXPECT_EQ(sum.status().code(), StatusCode::kFailedPrecondition);
    return std::string(Message(sum.status()));
  };
  tensors_["a.lora_A.weight"] = at::randn({kRank + 1, kIn}).to(at::kHalf);
  EXPECT_THAT(refusal(), HasSubstr("a.lora_A.weight"));
  tensors_["a.lora_A.weight"] = at::randn({kRank, kIn}).to(at::kHalf);
  tensors_.erase("a.lora_B.weight");
  EXPECT_THAT(refusal(), HasSubstr("a.lora_B.weight"));
}

}  // namespace
}  // namespace triptych::model::internlm_xcomposer
