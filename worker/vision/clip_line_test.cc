#include "worker/vision/clip_line.h"

#include <vector>

#include <gtest/gtest.h>

namespace triptych::vision {
namespace {

constexpr int kBytes = 256;
constexpr float kMean[] = {0.48145466f, 0.4578275f, 0.40821073f};
constexpr float kDeviation[] = {0.26862954f, 0.26130258f, 0.27577711f};

// Every byte of every colour, by vectors and, in the last pixels, without.
TEST(NormalizeLineTest, EveryByteIsRoundedAsTheReferenceRounds) {
  for (const int64_t pixels : {int64_t{kBytes}, int64_t{15}, int64_t{kBytes + 7}}) {
    std::vector<uint8_t> rgb(pixels * 3);
    for (int64_t i = 0; i < pixels * 3; ++i) rgb[i] = static_cast<uint8_t>(i / 3 + 85 * (i % 3));
    std::vector<float> red(pixels), green(pixels), blue(pixels);
    NormalizeLine(rgb.data(), pixels, {red.data(), green.data(), blue.data()});
    const std::vector<float>* const planes[] = {&red, &green, &blue};
    for (int64_t i = 0; i < pixels * 3; ++i) {
      const int64_t color = i % 3;
      const volatile float scaled = static_cast<float>(rgb[i]) / 255.0f;
      const volatile float centered = scaled - kMean[color];
      ASSERT_EQ((*planes[color])[i / 3], centered / kDeviation[color]) << int{rgb[i]} << " of colour " << color;
    }
  }
}

}  // namespace
}  // namespace triptych::vision
