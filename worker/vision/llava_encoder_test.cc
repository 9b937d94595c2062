#include "common/text_file.h"
#include "worker/vision/llava_encoder.h"

#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>

#include "common/json/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tiny_checkpoint.h"
#include "worker/vision/pil_resize.h"
#include "worker/vision/registry.h"

namespace triptych::vision {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kGolden = std::string(TRIPTYCH_TEST_DATA) + "/golden/llava-tiny";

at::Tensor RandomPicture(int64_t height, int64_t width) { return at::randint(256, {height, width, 3}, at::kByte); }

TEST(ResizeAndCropTest, TakesTheMiddleOfWhatTheShorterSideIsResizedTo) {
  const at::Tensor wide = RandomPicture(30, 101);  // 10 high: 33 wide, 33.67 cut to whole pixels
  const at::Tensor resized = PilResize(wide, {33, 10}, ResizeFilter::kBicubic);
  EXPECT_TRUE(at::equal(ResizeAndCrop(wide, {.shortest_edge = 10, .crop_size = 10}), resized.narrow(1, 11, 10)));
  EXPECT_TRUE(at::equal(ResizeAndCrop(wide, {.shortest_edge = 10, .crop_size = 7}), resized.narrow(0, 1, 7).narrow(1, 13, 7)));
  const at::Tensor tall = RandomPicture(80, 20);
  EXPECT_TRUE(at::equal(ResizeAndCrop(tall, {.shortest_edge = 10, .crop_size = 10}),
                        PilResize(tall, {10, 40}, ResizeFilter::kBicubic).narrow(0, 15, 10)));
}

TEST(ResizeAndCropTest, AnyShapeGivesTheSquare) {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 90}, {28, 28}, {3, 2000}, {2000, 3}, {11, 10}}) {
    EXPECT_EQ(ResizeAndCrop(RandomPicture(height, width), {.shortest_edge = 9, .crop_size = 8}).sizes(), at::IntArrayRef({8, 8, 3}));
  }
}

class LlavaEncoderTest : public testing::Test {
 protected:
  LlavaEncoderTest() {
    const auto loader = *weights::LoadCheckpoint(kGolden);
    for (const std::string& name : loader->Names()) {
      tensors_[name] = loader->Load(name, *loader->Shape(name), weights::Slice::All())->clone();
    }
    config_ = nlohmann::json::parse(*ReadTextFile(kGolden + "/config.json"));
  }
  StatusOr<std::unique_ptr<VisionEncoder>> Load() {
    fakes::WriteCheckpoint(folder_.path(), config_.dump(), tensors_);
    folder_.Write("preprocessor_config.json", *ReadTextFile(kGolden + "/preprocessor_config.json"));
    TRIPTYCH_ASSIGN_OR_RETURN(const auto loader, weights::LoadCheckpoint(folder_.path()));
    return LoadVisionEncoder(folder_.path(), *loader, at::kCPU);
  }
  at::Tensor Rows(const at::Tensor& picture) {
    const auto encoder = Load();
    EXPECT_TRUE(encoder.ok()) << encoder.status();
    const auto prepared = (*encoder)->Prepare(picture, 0);
    return (*encoder)->Project(*prepared, (*encoder)->Tower(prepared->tiles));
  }

  fakes::TemporaryFolder folder_;
  fakes::CheckpointTensors tensors_;
  nlohmann::json config_;
};

TEST_F(LlavaEncoderTest, FeaturesAreThoseOfTheLayerThatIsNamed) {
  const at::Tensor picture = RandomPicture(70, 60);
  const at::Tensor last_but_one = Rows(picture);
  EXPECT_EQ(last_but_one.sizes(), at::IntArrayRef({16, 64}));
  config_["vision_feature_layer"] = 2;  // of three, from the front
  EXPECT_TRUE(at::equal(Rows(picture), last_but_one));
  config_["vision_feature_layer"] = -1;
  EXPECT_FALSE(at::equal(Rows(picture), last_but_one));
}

TEST_F(LlavaEncoderTest, LayersBehindItAreNotNeeded) {
  const at::Tensor picture = RandomPicture(70, 60);
  const at::Tensor wanted = Rows(picture);
  std::erase_if(tensors_, [](const auto& entry) { return entry.first.find(".layers.2.") != std::string::npos && entry.first.starts_with("vision"); });
  EXPECT_TRUE(at::equal(Rows(picture), wanted));
}

TEST_F(LlavaEncoderTest, MissingAndStrangeTensorsAreNamed) {
  const std::string bias = "multi_modal_projector.linear_2.bias";
  const at::Tensor stored = tensors_.at(bias);
  tensors_.erase(bias);
  EXPECT_THAT(std::string(Message(Load().status())), HasSubstr(bias));
  tensors_[bias] = stored;
  tensors_["vision_tower.vision_model.surprise"] = at::zeros({2}, at::kBFloat16);
  EXPECT_THAT(std::string(Message(Load().status())), HasSubstr("surprise"));
}

TEST_F(LlavaEncoderTest, ATextModelHasNoEncoder) {
  config_["model_type"] = "llama";
  const auto encoder = Load();
  EXPECT_EQ(encoder.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(encoder.status())), AllOf(HasSubstr("'llama' has no vision encoder"), HasSubstr("llava")));
}

}  // namespace
}  // namespace triptych::vision
