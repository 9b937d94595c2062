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

TEST(CheckpointFilesTest, AutoGptqNamesItsFileByItself) {
  const fakes::TemporaryFolder folder;
  folder.Write("gptq_model-4bit-128g.bin", "x");
  EXPECT_EQ(FindCheckpointFiles(folder.path())->format, CheckpointFormat::kTorch);
  folder.Write("gptq_model-4bit-128g.safetensors", "x");
  const auto files = FindCheckpointFiles(folder.path());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->paths, ElementsAre(folder.File("gptq_model-4bit-128g.safetensors")));
  EXPECT_EQ(files->format, CheckpointFormat::kSafetensors);
  folder.Write("gptq_model-4bit-64g.safetensors", "x");
  EXPECT_THAT(Refusal(folder), HasSubstr("gptq_model-4bit-64g.safetensors: which of them"));
  folder.Write("model.safetensors", "x");
  EXPECT_THAT(FindCheckpointFiles(folder.path())->paths,
              ElementsAre(folder.File("model.safetensors")));
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

TEST(CheckpointFilesTest, TorchArchivesAreReadWhenNothingElseIsThere) {
  const fakes::TemporaryFolder folder;
  folder.Write("pytorch_model-00001-of-00002.bin", "x");
  EXPECT_THAT(Refusal(folder), HasSubstr("has none of model.safetensors"));
  folder.Write("pytorch_model.bin.index.json",
               R"({"weight_map":{"t":"pytorch_model-00001-of-00002.bin"}})");
  const auto sharded = FindCheckpointFiles(folder.path());
  ASSERT_TRUE(sharded.ok()) << sharded.status();
  EXPECT_EQ(sharded->format, CheckpointFormat::kTorch);
  EXPECT_EQ(sharded->weight_map.at("t"), folder.File("pytorch_model-00001-of-00002.bin"));
  folder.Write("pytorch_model.bin", "x");
  EXPECT_THAT(FindCheckpointFiles(folder.path())->paths,
              ElementsAre(folder.File("pytorch_model.bin")));
  folder.Write("model.safetensors", "x");
  const auto both = FindCheckpointFiles(folder.path());
  EXPECT_EQ(both->format, CheckpointFormat::kSafetensors);
  EXPECT_THAT(both->paths, ElementsAre(folder.File("model.safetensors")));
}

TEST(CheckpointFilesTest, OneFormatCanBeWanted) {
  const fakes::TemporaryFolder folder;
  folder.Write("model.safetensors", "x");
  const auto torch = FindCheckpointFiles(folder.path(), CheckpointFormat::kTorch);
  EXPECT_THAT(std::string(Message(torch.status())),
              HasSubstr("has none of pytorch_model.bin, pytorch_model.bin.index.json"));
  folder.Write("pytorch_model.bin", "x");
  EXPECT_THAT(FindCheckpointFiles(folder.path(), CheckpointFormat::kTorch)->paths,
              ElementsAre(folder.File("pytorch_model.bin")));
  EXPECT_THAT(FindCheckpointFiles(folder.path(), CheckpointFormat::kSafetensors)->paths,
              ElementsAre(folder.File("model.safetensors")));
}

TEST(CheckpointFilesTest, AnIndexNamesShardsOfItsOwnFormat) {
  const fakes::TemporaryFolder folder;
  folder.Write("pytorch_model.bin.index.json", R"({"weight_map":{"t":"a.safetensors"}})");
  EXPECT_THAT(Refusal(folder), HasSubstr("does not name a .bin file"));
}

TEST(CheckpointFilesTest, AnEmptyOrAbsentFolderIsRefused) {
  const fakes::TemporaryFolder folder;
  EXPECT_THAT(Refusal(folder), HasSubstr("has none of"));
  EXPECT_FALSE(FindCheckpointFiles(folder.File("absent")).ok());
}

}  // namespace
}  // namespace triptych::weights
