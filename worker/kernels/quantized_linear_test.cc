#include "worker/kernels/quantized_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include "gtest/gtest.h"
#include "tests/fakes/every_way.h"
#include "worker/kernels/linear.h"

namespace triptych::kernels {
namespace {

struct Case {
  int64_t rows, in, out, groups;
};

// Codes, scales and zeros of any kind; the inputs' groups follow each other, or come in any order
// as activation ordering leaves them.
QuantizedMatrix RandomMatrix(const Case& c, int bits, bool ordered) {
  const int64_t levels = int64_t{1} << bits;
  at::Tensor group_of = at::randint(c.groups, {c.in}, at::kInt);
  if (ordered) group_of = std::get<0>(group_of.sort());
  return {.bits = bits,
          .codes = at::randint(levels, {c.in, c.out}, at::kByte),
          .scales = at::rand({c.groups, c.out}) * 0.1,
          .zeros = at::randint(levels, {c.groups, c.out}, at::kByte),
          .group_of = group_of};
}

class QuantizedLinearTest : public testing::TestWithParam<Case> {};

TEST_P(QuantizedLinearTest, GivesTheBitsOfTheWidenedMatrixAndEveryRowIsItsOwn) {
  const Case& c = GetParam();
  const at::Tensor x = at::randn({c.rows, c.in}), bias = at::randn({c.out});
  for (const int bits : {4, 8}) {
    for (const bool ordered : {true, false}) {
      const QuantizedMatrix matrix = RandomMatrix(c, bits, ordered);
      const QuantizedLinear linear = QuantizedLinear::Pack(matrix, bias, at::kCPU);
      const at::Tensor y = linear.Forward(x);
      const at::Tensor wide = Dequantize(matrix);
      EXPECT_TRUE(at::equal(y, PackedLinear::Pack(wide, bias, at::kCPU).Forward(x))) << bits;
      EXPECT_TRUE(at::equal(QuantizedLinear::Pack(matrix, std::nullopt, at::kCPU).Forward(x),
                            PackedLinear::Pack(wide, std::nullopt, at::kCPU).Forward(x)));
      fakes::ExpectAllEqual(fakes::EveryWay([&] { return linear.Forward(x); }));
      for (int64_t row = 0; row < c.rows; ++row) {
        ASSERT_TRUE(at::equal(linear.Forward(x.narrow(0, row, 1)), y.narrow(0, row, 1))) << row;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         QuantizedLinearTest,
                         testing::Values(Case{0, 8, 16, 1},
                                         Case{1, 1, 1, 1},
                                         Case{5, 64, 128, 2},
                                         Case{13, 65, 17, 3},
                                         Case{37, 160, 92, 5},
                                         Case{3, 1000, 250, 8}));

TEST(QuantizedLinear, DequantizesByTheFormula) {
  const QuantizedMatrix m = RandomMatrix({.in = 20, .out = 9, .groups = 3}, 4, /*ordered=*/false);
  const at::Tensor weight = Dequantize(m);
  for (int i = 0; i < 20; ++i) {
    const int g = m.group_of[i].item<int>();
    for (int o = 0; o < 9; ++o) {
      const auto difference =
          static_cast<float>(m.codes[i][o].item<int>() - m.zeros[g][o].item<int>());
      EXPECT_EQ(weight[o][i].item<float>(), difference * m.scales[g][o].item<float>());
    }
  }
}

TEST(QuantizedLinear, TakesTheMemoryOfItsCodesAndLittleMore) {
  constexpr int64_t kWeights = 512 * 512;
  const at::Tensor weight = at::randn({512, 512});
  const auto bytes = [&](int bits) {
    return QuantizedLinear::Pack(RoundToNearest(weight, bits, 64), std::nullopt, at::kCPU).bytes();
  };
  EXPECT_EQ(bytes(8), kWeights + kWeights / 64 * 5 + 512 * 4);
  EXPECT_EQ(bytes(4), kWeights / 2 + kWeights / 64 * 5 + 512 * 4);
}

TEST(Nibbles, ComeBack) {
  for (const int64_t out : {1, 2, 7, 16}) {
    const at::Tensor codes = at::randint(16, {11, out}, at::kByte);
    const at::Tensor packed = PackNibbles(codes);
    EXPECT_EQ(packed.sizes(), (std::vector<int64_t>{11, (out + 1) / 2}));
    EXPECT_TRUE(at::equal(UnpackNibbles(packed, out), codes));
  }
}

}  // namespace
}  // namespace triptych::kernels
