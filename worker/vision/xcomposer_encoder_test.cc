// What the golden set does not show of InternLM-XComposer's encoder.
#include "common/text_file.h"
#include "worker/vision/xcomposer_encoder.h"

#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>

#include "common/json/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/vision/registry.h"

namespace triptych::vision {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer1-tiny";

at::Tensor RandomPicture(int64_t height, int64_t width) {
  return at::randint(256, {height, width, 3}, at::kByte);
}

class XComposerEncoderTest : public testing::Test {
 protected:
  XComposerEncoderTest() {
    const auto loader = *weights::LoadCheckpoint(kGolden);
    for (const std::string& name : loader->Names()) {
      tensors_[name] = loader->Load(name, *loader->Shape(name), weights::Slice::All())->clone();
    }
    config_ = nlohmann::json::parse(*ReadTextFile(kGolden + "/config.json"));
  }
  StatusOr<std::unique_ptr<VisionEncoder>> Load() {
    fakes::WriteCheckpoint(folder_.path(), config_.dump(), tensors_);
    TRIPTYCH_ASSIGN_OR_RETURN(const auto loader, weights::LoadCheckpoint(folder_.path()));
    return LoadVisionEncoder(folder_.path(), *loader, at::kCPU);
  }
  std::string Refusal() {
    const auto encoder = Load();
    EXPECT_EQ(encoder.status().code(), StatusCode::kFailedPrecondition);
    return std::string(Message(encoder.status()));
  }

  fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_;
  nlohmann::json config_;
};

TEST_F(XComposerEncoderTest, APictureOfAnyShapeIsOneTile) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  for (const auto& [height, width] : {std::pair{1, 1}, {70, 70}, {3, 900}, {200, 9}}) {
    const auto image = (*encoder)->Prepare(RandomPicture(height, width), 0);
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->tiles.sizes(), at::IntArrayRef({1, 3, 70, 70}));
    EXPECT_EQ(image->rows, 10);
  }
  EXPECT_EQ((*encoder)->Prepare(RandomPicture(2, 2), -1).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(XComposerEncoderTest, ATilesBitsDoNotHangOnTheBatch) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const at::Tensor one = (*encoder)->Prepare(RandomPicture(50, 80), 0)->tiles;
  const at::Tensor other = (*encoder)->Prepare(RandomPicture(90, 20), 0)->tiles;
  const at::Tensor both = (*encoder)->Tower(at::cat({one, other}));
  EXPECT_EQ(both.sizes(), at::IntArrayRef({2, 26, 48}));
  EXPECT_TRUE(at::equal(both.narrow(0, 0, 1), (*encoder)->Tower(one)));
  EXPECT_TRUE(at::equal(both.narrow(0, 1, 1), (*encoder)->Tower(other)));
}

TEST_F(XComposerEncoderTest, TheFirstAndTheLastRowAreLearnedOnes) {
  const auto encoder = Load();
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto image = (*encoder)->Prepare(RandomPicture(50, 80), 0);
  const at::Tensor rows = (*encoder)->Project(*image, (*encoder)->Tower(image->tiles));
  EXPECT_EQ(rows.sizes(), at::IntArrayRef({10, 64}));
  EXPECT_TRUE(at::equal(rows[0], tensors_["flag_image_start"].view({64}).to(at::kFloat)));
  EXPECT_TRUE(at::equal(rows[9], tensors_["flag_image_end"].view({64}).to(at::kFloat)));
}

TEST_F(XComposerEncoderTest, MissingAndStrangeTensorsAreNamed) {
  for (const std::string name : {"visual_encoder.blocks.2.attn.v_bias",
                                 "ln_vision.bias",
                                 "Qformer.bert.encoder.layer.2.crossattention.self.key.weight",
                                 "query_tokens",
                                 "flag_image_end"}) {
    const at::Tensor stored = tensors_.at(name);
    tensors_.erase(name);
    EXPECT_THAT(Refusal(), HasSubstr(name));
    tensors_[name] = stored;
  }
  for (const std::string name : {"visual_encoder.norm.weight",
                                 "Qformer.bert.encoder.layer.1.crossattention.self.key.weight",
                                 "Qformer.cls.predictions.bias"}) {
    tensors_[name] = at::zeros({2});
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(name), HasSubstr("not part of this model")));
    tensors_.erase(name);
  }
  tensors_["Qformer.bert.embeddings.position_ids"] = at::zeros({1, 5});  // a buffer
  EXPECT_TRUE(Load().ok());
}

TEST_F(XComposerEncoderTest, AnotherNumberOfQueriesThanStoredIsNamed) {
  config_["num_query_token"] = 9;
  EXPECT_THAT(Refusal(), HasSubstr("query_tokens"));
}

}  // namespace
}  // namespace triptych::vision
