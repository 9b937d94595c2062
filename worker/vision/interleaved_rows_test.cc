#include "worker/vision/interleaved_rows.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/targets.h>

namespace triptych::vision {
namespace {

constexpr uint8_t kUntouched = 0xa5;

class InterleavedRowsTest : public testing::TestWithParam<int64_t> {
 protected:
  ~InterleavedRowsTest() override { hwy::SetSupportedTargetsForTest(0); }
};

// Parameter: an instruction set.
TEST_P(InterleavedRowsTest, PixelsOfAllRowsStandTogetherAndGoBack) {
  hwy::SetSupportedTargetsForTest(GetParam());
  std::mt19937 random(1);
  for (const int64_t rows : {1, 4, 15, 16}) {
    for (const int64_t width : {1, 3, 4, 5, 6, 7, 9, 10, 11, 64, 65, 127}) {
      const int64_t bytes = rows * width * 3;
      std::vector<uint8_t> in(bytes), wanted(bytes), out(bytes + 16, kUntouched), back(bytes + 16, kUntouched);
      for (uint8_t& byte : in) byte = static_cast<uint8_t>(random());
      for (int64_t i = 0; i < bytes; ++i) {
        const int64_t row = i / (width * 3), x = i / 3 % width;
        wanted[(x * rows + row) * 3 + i % 3] = in[i];
      }
      wanted.resize(bytes + 16, kUntouched);
      InterleaveRows(in.data(), rows, width, out.data());
      EXPECT_EQ(out, wanted) << rows << " rows of " << width;
      out.resize(bytes);  // nothing behind it may be read
      SeparateRows(std::vector<uint8_t>(out).data(), rows, width, back.data());
      in.resize(bytes + 16, kUntouched);
      EXPECT_EQ(back, in) << rows << " rows of " << width;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, InterleavedRowsTest, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), [](const auto& info) {
  return std::string(hwy::TargetName(info.param));
});

}  // namespace
}  // namespace triptych::vision
