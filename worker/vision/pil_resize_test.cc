#include "worker/vision/pil_resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/hash/sha256.h"
#include "worker/vision/image_decoder.h"
#include "worker/vision/resample_taps.h"
#include "worker/vision/weighted_sum.h"

namespace triptych::vision {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(TRIPTYCH_TEST_DATA) / "golden";

nlohmann::json ReadJson(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return nlohmann::json::parse(file);
}

at::Tensor Picture(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
  StatusOr<at::Tensor> rgb = DecodeImage(bytes, RequestLimits{});
  EXPECT_TRUE(rgb.ok()) << path << ": " << rgb.status();
  return rgb.ok() ? *rgb : at::empty({1, 1, 3}, at::kByte);
}

bool SameBytes(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.numel()) == 0;
}

TEST(PilResizeTest, EverySizeGivesPillowsBytes) {
  const nlohmann::json rows = ReadJson(kGolden / "images/resizes.json");
  for (const nlohmann::json& row : rows) {
    const at::Tensor rgb = Picture(kGolden / "images" / row.at("image").get<std::string>());
    const ImageSize size{row.at("width"), row.at("height")};
    const bool bicubic = row.at("filter") == "bicubic";
    const at::Tensor resized = PilResize(rgb, size, bicubic ? ResizeFilter::kBicubic : ResizeFilter::kBilinear);
    ASSERT_EQ(resized.sizes(), at::IntArrayRef({size.height, size.width, 3}));
    const Sha256Digest digest = Sha256({resized.const_data_ptr<uint8_t>(), static_cast<size_t>(resized.numel())});
    EXPECT_EQ(ToHex(digest), row.at("rgb_sha256").get<std::string>()) << row;
  }
  EXPECT_GT(rows.size(), 200u);
}

// What the reference's preprocessing made of photographs, for each golden set that only squashes.
TEST(PilResizeTest, GoldenPicturesAreEqual) {
  int pictures = 0;
  for (const auto& folder : std::filesystem::directory_iterator(kGolden)) {
    if (!std::filesystem::exists(folder.path() / "config.json")) continue;
    const nlohmann::json manifest = ReadJson(folder.path() / "manifest.json");
    if (manifest.at("family").get<std::string>().find("vl") == std::string::npos) continue;
    for (const nlohmann::json& test_case : manifest.at("cases")) {
      for (size_t i = 0; i < test_case.at("images").size(); ++i) {
        const at::Tensor wanted = Picture(folder.path() / test_case.at("preprocessed_png").at(i).get<std::string>());
        const at::Tensor rgb = Picture(folder.path() / test_case.at("images").at(i).get<std::string>());
        const ImageSize size{static_cast<int32_t>(wanted.size(1)), static_cast<int32_t>(wanted.size(0))};
        EXPECT_TRUE(SameBytes(PilResize(rgb, size, ResizeFilter::kBicubic), wanted)) << test_case.at("id");
        ++pictures;
      }
    }
  }
  EXPECT_GE(pictures, 2);
}

TEST(PilResizeTest, TheSameSizeChangesNothing) {
  const at::Tensor rgb = Picture(kGolden / "images/rgb8.png");
  EXPECT_TRUE(SameBytes(PilResize(rgb, {45, 33}, ResizeFilter::kBicubic), rgb));
}

TEST(PilResizeTest, FlatPicturesStayFlat) {
  for (const int value : {0, 1, 127, 254, 255}) {
    const at::Tensor flat = at::full({19, 23, 3}, value, at::kByte);
    for (const ImageSize size : {ImageSize{5, 7}, ImageSize{200, 3}, ImageSize{64, 64}}) {
      for (const ResizeFilter filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic}) {
        EXPECT_TRUE(SameBytes(PilResize(flat, size, filter), at::full({size.height, size.width, 3}, value, at::kByte)));
      }
    }
  }
}

TEST(ResampleTapsTest, WeightsStayInsideAndAddUpToOne) {
  for (const int in : {1, 2, 3, 7, 100, 1023, 16384}) {
    for (const int out : {1, 2, 5, 49, 490, 3000}) {
      const ResampleTaps taps = MakeTaps(in, out, ResizeFilter::kBicubic);
      for (int place = 0; place < out; ++place) {
        ASSERT_GE(taps.first[place], 0);
        ASSERT_GT(taps.count[place], 0);
        ASSERT_LE(taps.first[place] + taps.count[place], in);
        ASSERT_LE(taps.count[place], taps.width);
        int64_t sum = 0;
        for (int i = 0; i < taps.count[place]; ++i) sum += taps.weights[int64_t{place} * taps.width + i];
        ASSERT_NEAR(static_cast<double>(sum), 1 << kTapFractionBits, taps.count[place]) << in << " to " << out;
      }
    }
  }
}

TEST(WeightedSumTest, EveryNumberOfLanesAgreesWithPlainArithmetic) {
  constexpr int kTaps = 5, kStride = 211;
  std::vector<uint8_t> in(kTaps * kStride);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint8_t>(i * 131 + i / 7);
  const std::vector<int32_t> weights = {-400000, 1900000, 3100000, 700000, -1105696};
  for (int lanes = 1; lanes <= kStride; ++lanes) {
    std::vector<uint8_t> out(lanes + 1, 77);
    WeightedSum(in.data(), kStride, weights.data(), kTaps, out.data(), lanes);
    for (int i = 0; i < lanes; ++i) {
      double sum = 0;
      for (int t = 0; t < kTaps; ++t) sum += static_cast<double>(in[t * kStride + i]) * weights[t];
      const double rounded = std::floor((sum + (1 << (kTapFractionBits - 1))) / (1 << kTapFractionBits));
      ASSERT_EQ(out[i], std::clamp(rounded, 0.0, 255.0)) << "lane " << i << " of " << lanes;
    }
    EXPECT_EQ(out[lanes], 77) << "wrote behind its end";
  }
}

}  // namespace
}  // namespace triptych::vision
