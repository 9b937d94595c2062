#include "common/model_card/image_header.h"

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "common/status_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<uint8_t> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<uint8_t> Png(uint32_t width, uint32_t height) {
  std::vector<uint8_t> file = Bytes(std::string_view("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16));
  for (const uint32_t value : {width, height}) {
    for (int shift = 24; shift >= 0; shift -= 8) file.push_back(static_cast<uint8_t>(value >> shift));
  }
  file.resize(64, 0);
  return file;
}

void ExpectReason(const std::vector<uint8_t>& file, std::string_view reason, RequestLimits limits = {}) {
  const auto header = ReadImageHeader(file, limits);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(header.status()), reason) << Message(header.status());
}

TEST(ImageHeader, ReadsGoldenPictures) {
  const std::string dir = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer2-vl-tiny/images/";
  const auto png = ReadImageHeader(ReadFile(dir + "wide.png"), {});
  ASSERT_TRUE(png.ok());
  EXPECT_EQ(png->format, ImageFormat::kPng);
  EXPECT_GT(png->size.width, png->size.height);
  const auto jpeg = ReadImageHeader(ReadFile(dir + "tall.jpg"), {});
  ASSERT_TRUE(jpeg.ok());
  EXPECT_EQ(jpeg->format, ImageFormat::kJpeg);
  EXPECT_LT(jpeg->size.width, jpeg->size.height);
}

TEST(ImageHeader, ReadsTheOtherFormats) {
  std::vector<uint8_t> gif = Bytes(std::string_view("GIF89a\x03\0\x05\0\0\0\0", 13));
  EXPECT_EQ(ReadImageHeader(gif, {})->size, (ImageSize{3, 5}));
  std::vector<uint8_t> bmp(54, 0);
  bmp[0] = 'B', bmp[1] = 'M', bmp[14] = 40, bmp[18] = 7;
  for (int i = 22; i < 26; ++i) bmp[i] = 0xff;  // height -1
  EXPECT_EQ(ReadImageHeader(bmp, {})->size, (ImageSize{7, 1}));
  std::vector<uint8_t> webp = Bytes(std::string_view("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x09\0\0\x13\0\0", 30));
  EXPECT_EQ(ReadImageHeader(webp, {})->size, (ImageSize{10, 20}));
}

TEST(ImageHeader, EmptyForeignAndCutShort) {
  ExpectReason({}, "IMAGE_EMPTY");
  for (const char* foreign : {"%PDF-1.4 ..................", "<svg xmlns=''>", "II*\0........................", "x"}) {
    ExpectReason(Bytes(foreign), "IMAGE_FORMAT");
  }
  ExpectReason(Bytes("\x89PNG\r\n\x1a\n"), "IMAGE_CORRUPT");
  ExpectReason(Bytes("\xff\xd8\xff"), "IMAGE_CORRUPT");
  ExpectReason(Bytes("GIF89a"), "IMAGE_CORRUPT");
  ExpectReason(Bytes("BM"), "IMAGE_CORRUPT");
  ExpectReason(Bytes(std::string_view("RIFF\0\0\0\0WEBP", 12)), "IMAGE_CORRUPT");
}

TEST(ImageHeader, LimitsOnBothSidesOfTheEdge) {
  EXPECT_TRUE(ReadImageHeader(Png(16384, 2441), {}).ok());
  ExpectReason(Png(16384, 2442), "IMAGE_TOO_LARGE");   // 40 million pixels
  ExpectReason(Png(16385, 100), "IMAGE_TOO_LARGE");
  EXPECT_TRUE(ReadImageHeader(Png(10000, 50), {}).ok());
  ExpectReason(Png(10000, 49), "IMAGE_TOO_LARGE");     // aspect
  ExpectReason(Png(65535, 65535), "IMAGE_TOO_LARGE");
  ExpectReason(Png(0xffffffff, 0xffffffff), "IMAGE_TOO_LARGE");
  ExpectReason(Png(0, 5), "IMAGE_CORRUPT");
  ExpectReason(Png(5, 5), "IMAGE_TOO_LARGE", {.max_image_bytes = 63});
  EXPECT_TRUE(ReadImageHeader(Png(1, 1), {.max_image_bytes = 64}).ok());
}

TEST(ImageHeader, JpegSegmentsOfNoLengthEndTheWalk) {
  ExpectReason(Bytes(std::string_view("\xff\xd8\xff\xe0\0\0\xff\xe0\0\0", 10)), "IMAGE_CORRUPT");
  ExpectReason(std::vector<uint8_t>(100000, 0xff), "IMAGE_FORMAT");
  std::vector<uint8_t> fill(1 << 20, 0xff);
  fill[1] = 0xd8;
  ExpectReason(fill, "IMAGE_CORRUPT");
}

TEST(ImageHeader, NoBytesCrashIt) {
  std::mt19937 random(2);
  const std::string dir = std::string(TRIPTYCH_TEST_DATA) + "/golden/xcomposer2-vl-tiny/images/";
  for (const char* name : {"wide.png", "tall.jpg"}) {
    const std::vector<uint8_t> whole = ReadFile(dir + name);
    for (size_t size = 0; size < std::min<size_t>(whole.size(), 700); ++size) {
      std::vector<uint8_t> part(whole.begin(), whole.begin() + size);
      (void)ReadImageHeader(part, {});
      for (int flips = 0; flips < 3 && !part.empty(); ++flips) part[random() % part.size()] = static_cast<uint8_t>(random());
      (void)ReadImageHeader(part, {});
    }
  }
}

}  // namespace
}  // namespace triptych
