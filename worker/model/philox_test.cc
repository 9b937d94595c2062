#include "worker/model/philox.h"

#include <set>

#include "gtest/gtest.h"

namespace triptych::model {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers that the paper's authors publish for philox4x32 with 10 rounds.
TEST(PhiloxTest, GivesTheKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, UniformNumbersHangOnEveryPartOfTheKey) {
  std::set<double> drawn;
  for (const uint64_t seed : {0ull, 1ull, 1ull << 32, 1ull << 63}) {
    for (uint32_t sequence = 0; sequence < 4; ++sequence) {
      for (uint32_t index = 0; index < 64; ++index) drawn.insert(UniformAt(seed, sequence, index));
    }
  }
  EXPECT_EQ(drawn.size(), 4u * 4 * 64);
  EXPECT_EQ(UniformAt(7, 1, 2), UniformAt(7, 1, 2));
}

TEST(PhiloxTest, UniformNumbersFillTheUnitInterval) {
  constexpr int kDraws = 100'000;
  constexpr int kBins = 10;
  std::array<int, kBins> bins{};
  for (int i = 0; i < kDraws; ++i) {
    const double u = UniformAt(/*seed=*/42, /*sequence=*/0, i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++bins[static_cast<int>(u * kBins)];
  }
  // Five standard deviations of a bin's count are about 475.
  for (const int count : bins) EXPECT_NEAR(count, kDraws / kBins, 475);
}

}  // namespace
}  // namespace triptych::model
