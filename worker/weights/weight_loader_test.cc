#include "worker/weights/weight_loader.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temporary_folder.h"

namespace triptych::weights {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const at::Tensor& Matrix() {
  static const at::Tensor& matrix = *new at::Tensor(at::arange(12, at::kFloat).reshape({3, 4}));
  return matrix;
}

class WeightLoaderTest : public ::testing::Test {
 protected:
  void WriteShards(const std::string& index) {
    folder_.Write("a.safetensors", fakes::SafetensorsWriter().Add("t", Matrix()).Bytes());
    folder_.Write("b.safetensors",
                  fakes::SafetensorsWriter().Add("u", Matrix().to(at::kBFloat16)).Bytes());
    folder_.Write("model.safetensors.index.json", R"({"weight_map":{)" + index + "}}");
  }
  std::unique_ptr<WeightLoader> LoadSingle(const fakes::SafetensorsWriter& writer) {
    folder_.Write("model.safetensors", writer.Bytes());
    auto loader = LoadCheckpoint(folder_.path());
    EXPECT_TRUE(loader.ok()) << loader.status();
    return *std::move(loader);
  }
  std::string Refusal() { return std::string(Message(LoadCheckpoint(folder_.path()).status())); }

  fakes::TemporaryFolder folder_;
};

TEST_F(WeightLoaderTest, ReadsAcrossShards) {
  WriteShards(R"("t":"a.safetensors","u":"b.safetensors")");
  const auto loader = LoadCheckpoint(folder_.path());
  ASSERT_TRUE(loader.ok()) << loader.status();
  EXPECT_THAT((*loader)->Names(), UnorderedElementsAre("t", "u"));
  const auto t = (*loader)->Load("t", {3, 4}, Slice::All());
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_TRUE(at::equal(*t, Matrix()));
  const auto u = (*loader)->Load("u", {3, 4}, {.dim = 1, .begin = 2, .end = 4});
  ASSERT_TRUE(u.ok()) << u.status();
  EXPECT_TRUE(at::equal(*u, Matrix().to(at::kBFloat16).slice(1, 2, 4)));
}

TEST_F(WeightLoaderTest, AWrongShapeIsNamedWithBoth) {
  const auto loader = LoadSingle(fakes::SafetensorsWriter().Add("t", Matrix()));
  const auto wrong = loader->Load("t", {4, 3}, Slice::All());
  EXPECT_EQ(wrong.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(Message(wrong.status())),
      AllOf(HasSubstr("model.safetensors"), HasSubstr("'t' has shape [3, 4], wanted [4, 3]")));
}

TEST_F(WeightLoaderTest, AMissingTensorIsNamedWithItsShape) {
  const auto loader = LoadSingle(fakes::SafetensorsWriter().Add("t", Matrix()));
  EXPECT_FALSE(loader->Has("u"));
  const auto missing = loader->Load("u", {5, 6}, Slice::All());
  EXPECT_THAT(std::string(Message(missing.status())),
              HasSubstr("'u' is missing; its shape should be [5, 6]"));
  EXPECT_EQ(loader->Shape("u").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(*loader->Shape("t"), (std::vector<int64_t>{3, 4}));
}

TEST_F(WeightLoaderTest, WeightsAreFloatingPoint) {
  const auto loader = LoadSingle(fakes::SafetensorsWriter().Add("t", at::arange(3)));
  EXPECT_THAT(std::string(Message(loader->Load("t", {3}, Slice::All()).status())),
              HasSubstr("dtype I64, wanted BF16"));
}

TEST_F(WeightLoaderTest, WholeNumbersAreAskedForByName) {
  const at::Tensor values = at::arange(12).reshape({3, 4});
  fakes::SafetensorsWriter writer;
  writer.Add("i32", values.to(at::kInt))
      .Add("i8", values.to(at::kChar))
      .Add("u8", values.to(at::kByte));
  const auto loader = LoadSingle(writer.Add("f32", Matrix()));
  for (const auto& [name, dtype] :
       {std::pair{"i32", at::kInt}, {"i8", at::kChar}, {"u8", at::kByte}}) {
    const auto read = loader->LoadIntegers(name, {3, 4}, {.dim = 0, .begin = 1, .end = 3});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(at::equal(*read, values.to(dtype).slice(0, 1, 3)));
    EXPECT_FALSE(loader->Load(name, {3, 4}, Slice::All()).ok());
  }
  EXPECT_THAT(std::string(Message(loader->LoadIntegers("f32", {3, 4}, Slice::All()).status())),
              HasSubstr("dtype F32, wanted I32, I8 or U8"));
  EXPECT_EQ(loader->StoredBytes("i32"), 48);
  EXPECT_EQ(loader->StoredBytes("i8"), 12);
  EXPECT_EQ(loader->StoredBytes("absent"), 0);
}

TEST_F(WeightLoaderTest, ReadsShardsThatTorchWrote) {
  const std::string folder = TRIPTYCH_TEST_DATA "/../worker/weights/testdata/sharded";
  const auto loader = LoadCheckpoint(folder);
  ASSERT_TRUE(loader.ok()) << loader.status();
  EXPECT_THAT((*loader)->Names(), UnorderedElementsAre("t", "u"));
  EXPECT_TRUE(at::equal(*(*loader)->Load("t", {3, 4}, Slice::All()), Matrix()));
  const auto u = (*loader)->Load("u", {3, 4}, {.dim = 1, .begin = 2, .end = 4});
  ASSERT_TRUE(u.ok()) << u.status();
  EXPECT_TRUE(at::equal(*u, Matrix().to(at::kBFloat16).slice(1, 2, 4)));
  EXPECT_THAT(std::string(Message(LoadCheckpoint(folder, CheckpointFormat::kSafetensors).status())),
              HasSubstr("has none of model.safetensors"));
}

TEST_F(WeightLoaderTest, SafetensorsComeFirst) {
  folder_.Write("pytorch_model.bin", "no archive");
  const auto loader = LoadSingle(fakes::SafetensorsWriter().Add("t", Matrix()));
  EXPECT_TRUE(loader->Has("t"));
  EXPECT_THAT(
      std::string(Message(LoadCheckpoint(folder_.path(), CheckpointFormat::kTorch).status())),
      HasSubstr("pytorch_model.bin"));
}

TEST_F(WeightLoaderTest, IndexAndShardsMustAgree) {
  WriteShards(R"("t":"a.safetensors","u":"b.safetensors","v":"b.safetensors")");
  EXPECT_THAT(Refusal(), HasSubstr("tensor 'v' is missing"));
  WriteShards(R"("t":"b.safetensors","u":"a.safetensors")");
  EXPECT_THAT(Refusal(), HasSubstr("is not where the index has it"));
  WriteShards(R"("t":"a.safetensors","u":"b.safetensors")");
  folder_.Write("b.safetensors",
                fakes::SafetensorsWriter().Add("u", Matrix()).Add("t", Matrix()).Bytes());
  EXPECT_THAT(Refusal(), HasSubstr("tensor 't' is also in"));
}

TEST_F(WeightLoaderTest, ABrokenShardIsNamed) {
  WriteShards(R"("t":"a.safetensors","u":"b.safetensors")");
  folder_.Write("b.safetensors", "short");
  EXPECT_THAT(Refusal(), HasSubstr("b.safetensors"));
}

TEST_F(WeightLoaderTest, AnExtraTensorIsNamed) {
  const auto loader = LoadSingle(fakes::SafetensorsWriter()
                                     .Add("t", Matrix())
                                     .Add("vit.embeddings.position_ids", at::arange(3))
                                     .Add("vit.post_layernorm.weight", Matrix())
                                     .Add("layers.0.rotary_emb.inv_freq", Matrix())
                                     .Add("vit.conv", Matrix()));
  EXPECT_TRUE(CheckNoExtra(*loader, {"t", "vit.conv"}).ok());
  EXPECT_TRUE(CheckNoExtra(*loader, {"t"}, {"vit."}).ok());
  EXPECT_THAT(std::string(Message(CheckNoExtra(*loader, {"t"}))), HasSubstr("'vit.conv'"));
  EXPECT_THAT(std::string(Message(CheckNoExtra(*loader, {}, {"vit."}))), HasSubstr("'t'"));
}

}  // namespace
}  // namespace triptych::weights
