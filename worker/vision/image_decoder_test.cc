#include "worker/vision/image_decoder.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/hash/sha256.h"
#include "common/status_reason.h"

namespace triptych::vision {
namespace {

using Bytes = std::vector<uint8_t>;

const std::filesystem::path kImages = std::filesystem::path(TRIPTYCH_TEST_DATA) / "golden/images";

Bytes ReadBytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

nlohmann::json Manifest() {
  const Bytes text = ReadBytes(kImages / "manifest.json");
  return nlohmann::json::parse(text.begin(), text.end()).at("images");
}

std::string PixelDigest(const at::Tensor& rgb) {
  return ToHex(Sha256({rgb.const_data_ptr<uint8_t>(), static_cast<size_t>(rgb.numel())}));
}

// Refused as the client's mistake, with a reason and without anything that a library or an address space knows.
void ExpectRefused(const Bytes& file, const std::string& what) {
  const StatusOr<at::Tensor> rgb = DecodeImage(file, RequestLimits{});
  ASSERT_FALSE(rgb.ok()) << what;
  EXPECT_EQ(rgb.status().code(), StatusCode::kInvalidArgument) << what << ": " << rgb.status();
  EXPECT_EQ(ReasonOf(rgb.status()).rfind("IMAGE_", 0), 0u) << what << ": " << rgb.status();
  EXPECT_EQ(Message(rgb.status()).find("0x"), std::string_view::npos) << what;
}

void Put32(Bytes& file, size_t at, uint32_t value, bool big_endian) {
  for (int i = 0; i < 4; ++i) file[at + i] = static_cast<uint8_t>(value >> (big_endian ? 24 - 8 * i : 8 * i));
}

uint32_t Crc(const uint8_t* data, size_t size) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

// Overwrites an IHDR's size and makes its checksum right again.
Bytes PngOfSize(uint32_t width, uint32_t height) {
  Bytes file = ReadBytes(kImages / "rgb8.png");
  Put32(file, 16, width, true);
  Put32(file, 20, height, true);
  Put32(file, 29, Crc(file.data() + 12, 17), true);
  return file;
}

TEST(ImageDecoderTest, EveryKindOfFileGivesPillowsPixels) {
  int files = 0;
  const nlohmann::json manifest = Manifest();
  for (const auto& [name, wanted] : manifest.items()) {
    const StatusOr<at::Tensor> rgb = DecodeImage(ReadBytes(kImages / name), RequestLimits{});
    ASSERT_TRUE(rgb.ok()) << name << ": " << rgb.status();
    EXPECT_EQ(rgb->size(0), wanted.at("height").get<int64_t>()) << name;
    EXPECT_EQ(rgb->size(1), wanted.at("width").get<int64_t>()) << name;
    EXPECT_EQ(rgb->size(2), 3) << name;
    EXPECT_EQ(PixelDigest(*rgb), wanted.at("rgb_sha256").get<std::string>()) << name;
    ++files;
  }
  EXPECT_GE(files, 70);
}

TEST(ImageDecoderTest, FilesCutOffAtEvery64thByteAreRefused) {
  const nlohmann::json manifest = Manifest();
  for (const auto& [name, wanted] : manifest.items()) {
    if (name == "rle8.bmp" || name == "rle4.bmp") continue;  // their last codes may be superfluous
    const Bytes whole = ReadBytes(kImages / name);
    for (size_t size = 0; size < whole.size(); size += 64) {
      if (name.ends_with(".gif") && size + 2 >= whole.size()) continue;     // only the trailer is missing
      if (name.starts_with("animated") && size > whole.size() / 4) continue;  // only later frames are missing
      ExpectRefused(Bytes(whole.begin(), whole.begin() + size), name + " cut at " + std::to_string(size));
    }
  }
}

TEST(ImageDecoderTest, PngAndJpegWithoutTheirEndMarkerAreRefused) {
  const nlohmann::json manifest = Manifest();
  for (const auto& [name, wanted] : manifest.items()) {
    if (!name.ends_with(".png") && !name.ends_with(".jpg")) continue;
    const Bytes whole = ReadBytes(kImages / name);
    ExpectRefused(Bytes(whole.begin(), whole.end() - (name.ends_with(".png") ? 12 : 2)), name);
  }
}

// Damage may leave a picture or not; it never leaves anything but a picture or the client's error.
TEST(ImageDecoderTest, DamagedFilesGiveAPictureOrAnError) {
  std::mt19937 random(20260701);
  const nlohmann::json manifest = Manifest();
  for (const auto& [name, wanted] : manifest.items()) {
    const Bytes whole = ReadBytes(kImages / name);
    for (int round = 0; round < 30; ++round) {
      Bytes file = whole;
      for (int i = 0; i <= round % 4; ++i) file[random() % file.size()] = static_cast<uint8_t>(random());
      const StatusOr<at::Tensor> rgb = DecodeImage(file, RequestLimits{});
      EXPECT_TRUE(rgb.ok() || rgb.status().code() == StatusCode::kInvalidArgument) << name << ": " << rgb.status();
    }
  }
}

TEST(ImageDecoderTest, RandomBytesBehindEachMagicAreRefused) {
  std::mt19937 random(11);
  for (const char* name : {"rgb8.png", "baseline_420.jpg", "lossy.webp", "plain.gif", "rgb24.bmp"}) {
    Bytes file = ReadBytes(kImages / name);
    for (size_t i = 12; i < file.size(); ++i) file[i] = static_cast<uint8_t>(random());
    ExpectRefused(file, name);
  }
}

TEST(ImageDecoderTest, EmptyAndForeignFilesAreRefused) {
  ExpectRefused({}, "empty");
  ExpectRefused({0x89}, "one byte");
  const std::string svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>";
  ExpectRefused(Bytes(svg.begin(), svg.end()), "svg");
}

TEST(ImageDecoderTest, BombsAreRefusedFromTheHeader) {
  ExpectRefused(PngOfSize(65535, 65535), "png 65535x65535");
  ExpectRefused(PngOfSize(30000, 30000), "png 30000x30000");
  ExpectRefused(PngOfSize(0x7fffffff, 0x7fffffff), "png 2^31-1");
  ExpectRefused(PngOfSize(0, 5), "png without columns");
  Bytes bmp = ReadBytes(kImages / "rgb24.bmp");
  Put32(bmp, 18, 65535, false);
  Put32(bmp, 22, 65535, false);
  ExpectRefused(bmp, "bmp 65535x65535");
  Bytes gif = ReadBytes(kImages / "plain.gif");
  for (size_t at = 6; at < 10; ++at) gif[at] = 0xff;
  ExpectRefused(gif, "gif 65535x65535");
}

// Inside the limits, but the file has only the first of its rows.
TEST(ImageDecoderTest, FewerPixelsThanTheHeaderSaysAreRefused) {
  ExpectRefused(PngOfSize(45, 200), "png");
  Bytes bmp = ReadBytes(kImages / "rgb24.bmp");
  Put32(bmp, 22, 200, false);
  ExpectRefused(bmp, "bmp");
}

TEST(ImageDecoderTest, WrongChecksumsAreRefused) {
  for (const char* chunk : {"IHDR", "IDAT", "tEXt"}) {
    Bytes file = ReadBytes(kImages / "rgb8_ancillary.png");
    const std::string text(file.begin(), file.end());
    file[text.find(chunk) + 6] ^= 1;
    ExpectRefused(file, chunk);
  }
}

// A scan costs a pass over the picture however few bytes it has.
TEST(ImageDecoderTest, ProgressiveJpegOfTooManyScansIsRefused) {
  Bytes file = ReadBytes(kImages / "grey_progressive.jpg");
  const std::string text(file.begin(), file.end());
  const size_t last_scan = text.rfind("\xff\xda");
  const Bytes scan(file.begin() + last_scan, file.end() - 2);
  for (int i = 0; i < kMaxJpegScans + 1; ++i) file.insert(file.begin() + last_scan, scan.begin(), scan.end());
  ExpectRefused(file, "many scans");
}

TEST(ImageDecoderTest, LimitsAreTheCallers) {
  RequestLimits small;
  small.max_image_pixels = 100;
  const StatusOr<at::Tensor> rgb = DecodeImage(ReadBytes(kImages / "rgb8.png"), small);
  EXPECT_EQ(ReasonOf(rgb.status()), "IMAGE_TOO_LARGE");
}

// Six of the eight orientations would change the picture's shape or sides.
TEST(ImageDecoderTest, ExifOrientationIsNotApplied) {
  const auto manifest = Manifest();
  const std::string upright = manifest.at("orientation1.jpg").at("rgb_sha256");
  for (const char* name : {"orientation3.jpg", "orientation6.jpg", "orientation8.jpg", "orientation9.jpg"}) {
    const StatusOr<at::Tensor> rgb = DecodeImage(ReadBytes(kImages / name), RequestLimits{});
    ASSERT_TRUE(rgb.ok()) << rgb.status();
    EXPECT_EQ(PixelDigest(*rgb), upright) << name;
  }
}

}  // namespace
}  // namespace triptych::vision
