#include "worker/weights/weights_digest.h"

#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::weights {
namespace {

WeightsDigest DigestOf(std::string_view content) {
  const fakes::TemporaryFolder folder;
  folder.Write("model.safetensors", content);
  const auto digest = DigestWeights(folder.path());
  EXPECT_TRUE(digest.ok()) << digest.status();
  return *digest;
}

WeightsDigest DigestOfShards(std::string_view first, std::string_view second) {
  const fakes::TemporaryFolder folder;
  folder.Write("a.safetensors", first);
  folder.Write("b.safetensors", second);
  folder.Write("model.safetensors.index.json",
               R"({"weight_map":{"t":"b.safetensors","u":"a.safetensors"}})");
  const auto digest = DigestWeights(folder.path());
  EXPECT_TRUE(digest.ok()) << digest.status();
  return *digest;
}

TEST(WeightsDigestTest, IsAFunctionOfTheBytes) {
  EXPECT_EQ(DigestOf("weights"), DigestOf("weights"));
  EXPECT_NE(DigestOf("weights"), DigestOf("weightz"));
}

TEST(WeightsDigestTest, KnowsWhereOneShardEnds) {
  EXPECT_EQ(DigestOfShards("ab", "cd"), DigestOfShards("ab", "cd"));
  EXPECT_NE(DigestOfShards("ab", "cd"), DigestOfShards("abc", "d"));
  EXPECT_NE(DigestOfShards("ab", "cd"), DigestOfShards("cd", "ab"));
}

TEST(WeightsDigestTest, IsThatOfTheFilesThatAreLoaded) {
  const fakes::TemporaryFolder folder;
  folder.Write("model.safetensors", "weights");
  EXPECT_EQ(*DigestWeights(folder.path()), DigestOf("weights"));
  folder.Write("pytorch_model.bin", "weights");
  EXPECT_EQ(*DigestWeights(folder.path()), DigestOf("weights"));
  EXPECT_NE(*DigestWeights(folder.path(), CheckpointFormat::kTorch), DigestOf("weights"));
}

TEST(WeightsDigestTest, DummyWeightsHangOnTheConfigurationAlone) {
  const fakes::TemporaryFolder folder, same, other;
  EXPECT_EQ(DigestDummyWeights(folder.path()).status().code(), StatusCode::kFailedPrecondition);
  folder.Write("config.json", "{}");
  same.Write("config.json", "{}");
  same.Write("model.safetensors", "weights");
  other.Write("config.json", "{ }");
  EXPECT_EQ(*DigestDummyWeights(folder.path()), *DigestDummyWeights(same.path()));
  EXPECT_NE(*DigestDummyWeights(folder.path()), *DigestDummyWeights(other.path()));
}

TEST(WeightsDigestTest, NeedsACheckpoint) {
  const fakes::TemporaryFolder folder;
  EXPECT_EQ(DigestWeights(folder.path()).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::weights
