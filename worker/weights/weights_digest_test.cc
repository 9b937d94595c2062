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

TEST(WeightsDigestTest, NeedsACheckpoint) {
  const fakes::TemporaryFolder folder;
  EXPECT_EQ(DigestWeights(folder.path()).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace triptych::weights
