#include "worker/process/token_table.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"

namespace triptych::worker {
namespace {

using testing::HasSubstr;

constexpr char kTable[] = "model.tok_embeddings.weight";

class TokenTableTest : public testing::Test {
 protected:
  StatusOr<TokenTable> Open(const fakes::CheckpointTensors& tensors) {
    fakes::WriteCheckpoint(folder_.File("."), fakes::TinyConfig(options_), tensors);
    loader_ = weights::LoadCheckpoint(folder_.File(".")).value();
    return TokenTable::Open(loader_.get(), options_.vocab, options_.hidden);
  }

  const fakes::TinyCheckpointOptions options_;
  const fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_ = fakes::TinyTensors(options_);
  std::unique_ptr<weights::WeightLoader> loader_;
};

TEST_F(TokenTableTest, GivesTheMeanOfTheTokensRows) {
  const TokenTable table = Open(tensors_).value();
  const at::Tensor rows = tensors_.at(kTable).to(at::kFloat).contiguous();
  const std::vector<TokenId> ids = {0, 60, 7, 7};
  const std::vector<float> mean = table.MeanOf(ids).value();
  ASSERT_EQ(std::ssize(mean), options_.hidden);
  for (int64_t i = 0; i < options_.hidden; ++i) {
    double sum = 0;
    for (const TokenId id : ids) sum += rows.const_data_ptr<float>()[id * options_.hidden + i];
    EXPECT_FLOAT_EQ(mean[i], static_cast<float>(sum / 4));
  }
}

TEST_F(TokenTableTest, RefusesWhatIsNoToken) {
  const TokenTable table = Open(tensors_).value();
  for (const std::vector<TokenId>& ids : std::vector<std::vector<TokenId>>{{}, {61}, {1, -1}})
    EXPECT_EQ(table.MeanOf(ids).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(TokenTableTest, SaysWhenThereIsNoneOrItHasAnotherShape) {
  fakes::CheckpointTensors tensors = tensors_;
  tensors.erase(kTable);
  const auto none = Open(tensors);
  EXPECT_EQ(none.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(none.status())), HasSubstr("has 0 tensors whose names end with embed_tokens.weight or tok_embeddings.weight"));
  tensors = tensors_;
  tensors["other.embed_tokens.weight"] = tensors[kTable];
  EXPECT_THAT(std::string(Message(Open(tensors).status())), HasSubstr("has 2 tensors"));
  tensors = tensors_;
  tensors[kTable] = tensors[kTable].narrow(0, 0, 8).contiguous();
  const TokenTable table = Open(tensors).value();
  EXPECT_EQ(table.MeanOf(std::vector<TokenId>{1}).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::worker
