#include "worker/model/layers/vocab.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include "gtest/gtest.h"
#include "tests/fakes/rank_crew.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::model::layers {
namespace {

constexpr int64_t kHidden = 4;

// Over several sizes of vocabulary and group: with padding, and with ranks wholly behind the end.
class VocabTest : public ::testing::TestWithParam<std::tuple<int64_t, int>> {
 protected:
  VocabTest() {
    folder_.Write("model.safetensors", fakes::SafetensorsWriter().Add("t", table_).Bytes());
    loader_ = *weights::LoadCheckpoint(folder_.path());
  }

  const int64_t vocab_ = std::get<0>(GetParam());
  const int size_ = std::get<1>(GetParam());
  const VocabSpec spec_{.name = "t", .vocab = vocab_, .hidden = kHidden};
  const at::Tensor table_ = at::arange(vocab_ * kHidden, at::kFloat).view({vocab_, kHidden});
  fakes::TemporaryFolder folder_;
  std::unique_ptr<weights::WeightLoader> loader_;
};

TEST_P(VocabTest, EveryRankGetsEveryRow) {
  const at::Tensor ids =
      at::tensor(std::vector<int32_t>{0, -1, -1, static_cast<int32_t>(vocab_ - 1), -1}, at::kInt);
  const at::Tensor images = at::arange(3 * kHidden, at::kFloat).view({3, kHidden}) + 0.5;
  fakes::RankCrew(size_).Run([&](comm::Communicator& communicator) {
    auto embedding = VocabEmbedding::Load(*loader_, spec_, {.communicator = &communicator});
    ASSERT_TRUE(embedding.ok()) << embedding.status();
    const at::Tensor x =
        embedding->Forward(ids, communicator.rank() == 0 ? images : at::Tensor(), {{1, 2}, {4, 1}});
    EXPECT_TRUE(at::equal(x[0], table_[0]));
    EXPECT_TRUE(at::equal(x.narrow(0, 1, 2), images.narrow(0, 0, 2)));
    EXPECT_TRUE(at::equal(x[3], table_[vocab_ - 1]));
    EXPECT_TRUE(at::equal(x[4], images[2]));
  });
}

TEST_P(VocabTest, LogitsAreOfTheVocabularyAlone) {
  const at::Tensor x = at::arange(2 * kHidden, at::kFloat).view({2, kHidden});
  fakes::RankCrew(size_).Run([&](comm::Communicator& communicator) {
    auto output = VocabOutput::Load(*loader_, spec_, {.communicator = &communicator});
    ASSERT_TRUE(output.ok()) << output.status();
    EXPECT_TRUE(at::equal(output->Forward(x), at::matmul(x, table_.t())));
    EXPECT_EQ(output->Forward(x.narrow(0, 0, 0)).sizes(), (std::vector<int64_t>{0, vocab_}));
  });
}

INSTANTIATE_TEST_SUITE_P(Splits,
                         VocabTest,
                         ::testing::Combine(::testing::Values(5, 8, 9),
                                            ::testing::Values(1, 2, 3, 4, 7)));

}  // namespace
}  // namespace triptych::model::layers
