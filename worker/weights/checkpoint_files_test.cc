#include "worker/weights/checkpoint_files.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Refusal(const fakes::TemporaryFolder& folder) {
  const auto files = FindCheckpointFiles(folder.path());
  EXPECT_EQ(files.status().code(), StatusCode::kFailedPrecondition);
  return std::string(Message(files.status()));
}

TEST(CheckpointFilesTest, OneFileIsEnough) {
  const fakes::TemporaryFolder folder;
  folder.Write("model.safetensors", "x");
  const auto files = FindCheckpointFiles(folder.path());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->paths, ElementsAre(folder.File("model.safetensors")));
  EXPECT_TRUE(files->weight_map.empty());
}

TEST(CheckpointFilesTest, AnIndexNamesTheShards) {
  const fakes::TemporaryFolder folder;
  folder.Write("b.safetensors", "x");
  folder.Write("a.safetensors", "x");
  folder.Write("model.safetensors.index.json",
               R"({"weight_map":{"t":"b.safetensors","u":"a.safetensors","v":"a.safetensors"}})");
  const auto files = FindCheckpointFiles(folder.path());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->paths,
              ElementsAre(folder.File("a.safetensors"), folder.File("b.safetensors")));
  EXPECT_EQ(files->weight_map.at("t"), folder.File("b.safetensors"));
}

TEST(CheckpointFilesTest, AMissingShardIsNamed) {
  const fakes::TemporaryFolder folder;
  folder.Write("model.safetensors.index.json",
               R"({"weight_map":{"t":"model-00002-of-00002.safetensors"}})");
  EXPECT_THAT(Refusal(folder), HasSubstr("model-00002-of-00002.safetensors is missing"));
}

TEST(CheckpointFilesTest, AnIndexNamesOnlyFilesOfItsFolder) {
  for (const char* name :
       {R"("../a.safetensors")", R"("/etc/passwd")", R"("a.bin")", "3", R"(["a.safetensors"])"}) {
    const fakes::TemporaryFolder folder;
    folder.Write("model.safetensors.index.json",
                 fmt::format(R"({{"weight_map":{{"t":{}}}}})", name));
    EXPECT_THAT(Refusal(folder), HasSubstr("tensor 't'")) << name;
  }
}

TEST(CheckpointFilesTest, ABrokenIndexIsRefused) {
  for (const char* index : {"", "{", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})"}) {
    const fakes::TemporaryFolder folder;
    folder.Write("model.safetensors.index.json", index);
    EXPECT_THAT(Refusal(folder), HasSubstr("model.safetensors.index.json")) << index;
  }
}

TEST(CheckpointFilesTest, TorchArchivesAreNotRead) {
  const fakes::TemporaryFolder folder;
  folder.Write("pytorch_model-00001-of-00002.bin", "x");
  EXPECT_THAT(Refusal(folder), HasSubstr("torch archives (.bin), which are not read"));
}

TEST(CheckpointFilesTest, AnEmptyOrAbsentFolderIsRefused) {
  const fakes::TemporaryFolder folder;
  EXPECT_THAT(Refusal(folder), HasSubstr("has neither"));
  EXPECT_FALSE(FindCheckpointFiles(folder.File("absent")).ok());
}

}  // namespace
}  // namespace triptych::weights
