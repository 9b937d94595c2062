#include "worker/kernels/quantized_matrix.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "gtest/gtest.h"
#include "worker/kernels/cpu_team.h"

namespace triptych::kernels {
namespace {

TEST(RoundToNearest, GivesTheLevelsByHand) {
  // Groups of 4 inputs: -3 to 12 is 15 steps of 1 with zero at 3; 0 to 30 is 15 steps of 2; a last
  // group of one.
  const at::Tensor weight =
      at::tensor({-3.0f, 12.0f, 0.4f, 0.6f, 30.0f, 3.0f, 5.1f, 0.0f, -7.5f}).view({1, 9});
  const QuantizedMatrix matrix = RoundToNearest(weight, 4, 4);
  EXPECT_TRUE(at::equal(matrix.codes.t(), at::tensor({0, 15, 3, 4, 15, 2, 3, 0, 0}).view({1, 9})));
  EXPECT_TRUE(at::equal(matrix.scales, at::tensor({1.0f, 2.0f, 0.5f}).view({3, 1})));
  EXPECT_TRUE(at::equal(matrix.zeros, at::tensor({3, 0, 15}).view({3, 1})));
  EXPECT_TRUE(at::equal(matrix.group_of, at::tensor({0, 0, 0, 0, 1, 1, 1, 1, 2})));
  const at::Tensor wanted =
      at::tensor({-3.0f, 12.0f, 0.0f, 1.0f, 30.0f, 4.0f, 6.0f, 0.0f, -7.5f}).view({1, 9});
  EXPECT_TRUE(at::equal(Dequantize(matrix), wanted));
}

TEST(RoundToNearest, IsWithinHalfAStepOfEveryWeight) {
  for (const int bits : {4, 8}) {
    for (const auto& [out, in, group_size] :
         {std::tuple{5, 64, 64}, {33, 100, 32}, {1, 7, 64}, {40, 160, 64}}) {
      const at::Tensor weight = at::randn({out, in}) * 0.02 + 0.01;
      const QuantizedMatrix matrix = RoundToNearest(weight, bits, group_size);
      const at::Tensor error = (Dequantize(matrix) - weight).abs();
      EXPECT_EQ(matrix.scales.size(0), (in + group_size - 1) / group_size);
      EXPECT_LT(matrix.codes.max().item<int>(), 1 << bits);
      for (int o = 0; o < out; ++o) {
        for (int first = 0, g = 0; first < in; first += group_size, ++g) {
          const int count = std::min(group_size, in - first);
          const at::Tensor group = weight[o].narrow(0, first, count);
          const double least = std::min(0.0, group.min().item<double>());
          const double greatest = std::max(0.0, group.max().item<double>());
          const double step = (greatest - least) / ((1 << bits) - 1);
          EXPECT_NEAR(matrix.scales[g][o].item<double>(), step, 1e-6 * step);
          // At an end, where zero's level was rounded one way, weights may be a whole step away.
          EXPECT_LT(error[o].narrow(0, first, count).max().item<double>(), 1.01 * step);
          const double mean = error[o].narrow(0, first, count).mean().item<double>();
          if (count > 16) {
            EXPECT_LT(mean, 0.4 * step);
          }
        }
      }
    }
  }
}

TEST(RoundToNearest, KeepsWhatIsNothing) {
  const QuantizedMatrix matrix = RoundToNearest(at::zeros({2, 5}), 4, 4);
  EXPECT_TRUE(at::equal(Dequantize(matrix), at::zeros({2, 5})));
  // Sizes at the ends of float's range do not overflow.
  const at::Tensor huge = at::tensor({3e38f, -3e38f}).view({1, 2});
  const at::Tensor back = Dequantize(RoundToNearest(huge, 8, 2));
  EXPECT_LT((back - huge).abs().max().item<double>(), 3e36);
}

TEST(RoundToNearest, DoesNotHangOnTheTeam) {
  const at::Tensor weight = at::randn({70, 90});
  const QuantizedMatrix alone = RoundToNearest(weight, 4, 64);
  CpuTeam team(3);
  const CpuTeam::Scope scope(&team);
  const QuantizedMatrix shared = RoundToNearest(weight, 4, 64);
  EXPECT_TRUE(at::equal(alone.codes, shared.codes));
  EXPECT_TRUE(at::equal(alone.scales, shared.scales));
  EXPECT_TRUE(at::equal(alone.zeros, shared.zeros));
}

TEST(JoinOutputs, PutsOutputsSideBySide) {
  const at::Tensor weight = at::randn({30, 40});
  const QuantizedMatrix whole = RoundToNearest(weight, 8, 16);
  const QuantizedMatrix joined = JoinOutputs({RoundToNearest(weight.narrow(0, 0, 11), 8, 16),
                                              RoundToNearest(weight.narrow(0, 11, 19), 8, 16)});
  EXPECT_TRUE(at::equal(Dequantize(joined), Dequantize(whole)));
}

}  // namespace
}  // namespace triptych::kernels
