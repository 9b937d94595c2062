#include "worker/model/layers/rotary.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/equal.h>

#include "gtest/gtest.h"

namespace triptych::model::layers {
namespace {

constexpr RotaryConfig kPlain{.head_dim = 16, .theta = 10000};
constexpr RotaryConfig kDynamic{.head_dim = 16,
                                .theta = 10000,
                                .scaling = RotaryScaling::kDynamic,
                                .factor = 2,
                                .trained_tokens = 100};

TEST(RotaryTest, TablesAreThoseOfTheFormula) {
  const std::vector<RotaryRow> rows = {{0, 10}, {7, 10}, {1000, 10}};
  const RotaryTables tables = MakeRotaryTables(kPlain, rows, at::kCPU);
  ASSERT_EQ(tables.cos.sizes(), (std::vector<int64_t>{3, 8}));
  for (size_t row = 0; row < rows.size(); ++row) {
    for (int i = 0; i < 8; ++i) {
      const double angle = rows[row].position * std::pow(10000.0, -2.0 * i / 16);
      EXPECT_NEAR(tables.cos.const_data_ptr<float>()[row * 8 + i], std::cos(angle), 1e-4);
      EXPECT_NEAR(tables.sin.const_data_ptr<float>()[row * 8 + i], std::sin(angle), 1e-4);
    }
  }
}

TEST(RotaryTest, LinearScalingSlowsPositions) {
  RotaryConfig linear = kPlain;
  linear.scaling = RotaryScaling::kLinear;
  linear.factor = 4;
  const RotaryTables slowed = MakeRotaryTables(linear, std::vector<RotaryRow>{{40, 50}}, at::kCPU);
  const RotaryTables plain = MakeRotaryTables(kPlain, std::vector<RotaryRow>{{10, 50}}, at::kCPU);
  EXPECT_TRUE(at::equal(slowed.cos, plain.cos));
  EXPECT_TRUE(at::equal(slowed.sin, plain.sin));
}

TEST(RotaryTest, Llama3SlowsLongWavelengthsAlone) {
  const RotaryConfig llama3{.head_dim = 16,
                            .theta = 10000,
                            .scaling = RotaryScaling::kLlama3,
                            .factor = 8,
                            .trained_tokens = 128,
                            .low_freq_factor = 1,
                            .high_freq_factor = 4};
  const RotaryTables tables =
      MakeRotaryTables(llama3, std::vector<RotaryRow>{{3, 50}}, at::kCPU);
  for (int i = 0; i < 8; ++i) {
    const double frequency = std::pow(10000.0, -2.0 * i / 16);
    const double turns = 128 * frequency / (2 * M_PI);  // within the trained length
    const double ramp = std::clamp((turns - 1) / (4 - 1), 0.0, 1.0);
    const double angle = 3 * ((1 - ramp) * frequency / 8 + ramp * frequency);
    EXPECT_NEAR(tables.cos.const_data_ptr<float>()[i], std::cos(angle), 1e-5) << i;
    EXPECT_NEAR(tables.sin.const_data_ptr<float>()[i], std::sin(angle), 1e-5) << i;
  }
}

TEST(RotaryTest, TheBaseStaysWithinTheTrainedLength) {
  EXPECT_EQ(RotaryBase(kDynamic, {0, 100}), 10000);
  EXPECT_EQ(RotaryBase(kDynamic, {99, 10}), 10000);
  EXPECT_EQ(RotaryBase(kPlain, {5000, 5000}), 10000);
}

TEST(RotaryTest, BeyondItPromptRowsShareTheWholePromptsBase) {
  const double base = 10000 * std::pow(2.0 * 150 / 100 - 1, 16.0 / 14);
  EXPECT_DOUBLE_EQ(RotaryBase(kDynamic, {0, 150}), base);
  EXPECT_DOUBLE_EQ(RotaryBase(kDynamic, {149, 150}), base);
}

TEST(RotaryTest, BeyondItEachOutputRowHasItsOwnBase) {
  EXPECT_DOUBLE_EQ(RotaryBase(kDynamic, {150, 10}),
                   10000 * std::pow(2.0 * 151 / 100 - 1, 16.0 / 14));
  EXPECT_GT(RotaryBase(kDynamic, {151, 10}), RotaryBase(kDynamic, {150, 10}));
  // The first output row behind a long prompt is the first that sees more than the prompt.
  EXPECT_GT(RotaryBase(kDynamic, {150, 150}), RotaryBase(kDynamic, {149, 150}));
}

TEST(RotaryTest, ARowHangsOnNothingBesideIt) {
  const std::vector<RotaryRow> rows = {{3, 150}, {160, 20}, {3, 20}};
  const RotaryTables together = MakeRotaryTables(kDynamic, rows, at::kCPU);
  for (int64_t i = 0; i < 3; ++i) {
    const RotaryTables alone =
        MakeRotaryTables(kDynamic, std::vector<RotaryRow>{rows[i]}, at::kCPU);
    EXPECT_TRUE(at::equal(together.cos.narrow(0, i, 1), alone.cos)) << i;
  }
}

}  // namespace
}  // namespace triptych::model::layers
