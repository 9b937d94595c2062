// The vision side against the reference, for every golden set whose pictures are one tile: resized pixels and normalised values exactly, the
// tower and the projector within a tolerance, and the position table that is stretched when a checkpoint has another grid.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include "common/limits.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_set.h"
#include "worker/vision/image_decoder.h"
#include "worker/vision/pil_resize.h"
#include "worker/vision/position_table.h"
#include "worker/vision/registry.h"
#include "worker/weights/safetensors_file.h"
#include "worker/weights/weight_loader.h"

namespace triptych::golden {
namespace {

constexpr double kTolerance = 1e-4;
constexpr int64_t kRowStep = 37, kColumnStep = 29;  // which pixels the sets keep as pixel_rows

std::vector<std::string> PlainFolders() {
  std::vector<std::string> folders;
  for (const std::string& folder : GoldenFolders("internlmxcomposer2")) {
    if (internlm_xcomposer2::LoadConfig(folder).ok()) folders.push_back(folder);
  }
  return folders;
}

std::vector<uint8_t> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.contiguous(), right = b.contiguous();
  return left.sizes() == right.sizes() && left.scalar_type() == right.scalar_type() &&
         std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0;
}

// One picture of one case.
struct GoldenPicture {
  std::string name;
  at::Tensor rgb, resized;  // of the file, and after the reference's resizing
  at::Tensor pixel_rows;    // undefined where the set has none, as the two below
  at::Tensor tower_out, proj_out;
};

class VisionTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto loader = weights::LoadCheckpoint(GetParam());
    ASSERT_TRUE(loader.ok()) << loader.status();
    auto encoder = vision::LoadVisionEncoder(GetParam(), **loader, at::kCPU);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    encoder_ = *std::move(encoder);
    const std::vector<uint8_t> text = ReadBytes(GetParam() + "/manifest.json");
    for (const nlohmann::json& entry : nlohmann::json::parse(text.begin(), text.end()).at("cases")) ReadCase(entry);
    ASSERT_FALSE(pictures_.empty());
  }

  void ReadCase(const nlohmann::json& entry) {
    auto file = weights::SafetensorsFile::Open(Path(entry.at("file")));
    ASSERT_TRUE(file.ok()) << file.status();
    for (size_t i = 0; i < entry.at("images").size(); ++i) {
      const auto tensor = [&](const char* stem) {
        const std::string name = fmt::format("{}{}", stem, i);
        return file->Find(name) == nullptr ? at::Tensor() : file->Read(name).value();
      };
      pictures_.push_back({.name = fmt::format("{} picture {}", entry.at("id").get<std::string>(), i),
                           .rgb = Picture(entry.at("images").at(i)),
                           .resized = Picture(entry.at("preprocessed_png").at(i)),
                           .pixel_rows = tensor("pixel_rows"),
                           .tower_out = tensor("tower_out"),
                           .proj_out = tensor("proj_out")});
    }
  }

  std::string Path(const nlohmann::json& name) const { return GetParam() + "/" + name.get<std::string>(); }
  at::Tensor Picture(const nlohmann::json& name) const {
    auto rgb = vision::DecodeImage(ReadBytes(Path(name)), RequestLimits{});
    EXPECT_TRUE(rgb.ok()) << name << ": " << rgb.status();
    return rgb.value();
  }
  vision::PreparedImage Prepare(const at::Tensor& rgb) const { return encoder_->Prepare(rgb, 0).value(); }

  std::unique_ptr<vision::VisionEncoder> encoder_;
  std::vector<GoldenPicture> pictures_;
};

TEST_P(VisionTest, PixelsAreExactlyTheReferences) {
  for (const GoldenPicture& picture : pictures_) {
    const ImageSize size{static_cast<int32_t>(picture.resized.size(1)), static_cast<int32_t>(picture.resized.size(0))};
    EXPECT_TRUE(SameBits(vision::PilResize(picture.rgb, size, vision::ResizeFilter::kBicubic), picture.resized)) << picture.name;
    const at::Tensor tile = Prepare(picture.rgb).tiles.select(0, 0);
    ASSERT_TRUE(picture.pixel_rows.defined());
    EXPECT_TRUE(SameBits(tile.slice(1, 0, tile.size(1), kRowStep).slice(2, 0, tile.size(2), kColumnStep), picture.pixel_rows))
        << picture.name;
  }
}

TEST_P(VisionTest, TowerAndProjectorAreWithinTolerance) {
  for (const GoldenPicture& picture : pictures_) {
    const vision::PreparedImage prepared = Prepare(picture.rgb);
    const at::Tensor features = encoder_->Tower(prepared.tiles);
    if (picture.tower_out.defined()) {
      EXPECT_LT(MaxDifference(features[0], picture.tower_out), kTolerance) << picture.name;
    }
    const at::Tensor rows = encoder_->Project(prepared, features);
    ASSERT_TRUE(picture.proj_out.defined());
    EXPECT_LT(MaxDifference(rows, picture.proj_out), kTolerance) << picture.name;
  }
}

TEST_P(VisionTest, ATileHasTheSameBitsAloneAndInABatch) {
  std::vector<at::Tensor> tiles;
  for (const GoldenPicture& picture : pictures_) tiles.push_back(Prepare(picture.rgb).tiles);
  tiles.push_back(tiles.front());
  const at::Tensor together = encoder_->Tower(at::cat(tiles));
  for (size_t i = 0; i < tiles.size(); ++i) {
    EXPECT_TRUE(SameBits(encoder_->Tower(tiles[i])[0], together[static_cast<int64_t>(i)])) << "tile " << i;
  }
}

TEST_P(VisionTest, PositionsAreStretchedAsTheReferenceDoes) {
  const std::string path = GetParam() + "/cases/position_interpolation.safetensors";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "the set has no other table";
  auto file = weights::SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const at::Tensor wanted = file->Read("position_embedding_after").value();
  const auto grid = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(wanted.size(0) - 1))));
  const at::Tensor stretched = vision::StretchPositions(file->Read("position_embedding_before").value(), grid);
  // The set's table was rounded to bfloat16: half of its last place is 2^-9 of the value.
  ASSERT_EQ(stretched.sizes(), wanted.sizes());
  const at::Tensor allowed = wanted.abs() * (1.0 / 512) + 1e-6;
  EXPECT_TRUE(((stretched - wanted).abs() <= allowed).all().item<bool>()) << MaxDifference(stretched, wanted);
}

INSTANTIATE_TEST_SUITE_P(Sets, VisionTest, testing::ValuesIn(PlainFolders()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).filename();
  for (char& letter : name) letter = std::isalnum(static_cast<unsigned char>(letter)) ? letter : '_';
  return name;
});

}  // namespace
}  // namespace triptych::golden
