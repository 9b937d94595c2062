// Each kernel against ATen in double precision, and its promise: the bits of a row hang on that row alone.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <atomic>
#include <cmath>

#include "common/ids.h"
#include "gtest/gtest.h"
#include "tests/fakes/every_way.h"
#include "worker/kernels/activation.h"
#include "worker/kernels/attention.h"
#include "worker/kernels/cpu_team.h"
#include "worker/kernels/embedding.h"
#include "worker/kernels/linear.h"
#include "worker/kernels/norm.h"
#include "worker/kernels/paged_attention.h"
#include "worker/kernels/rotary.h"
#include "worker/kernels/rows_cpu.h"

namespace triptych::kernels {
namespace {

using fakes::EveryWay;
using fakes::ExpectAllEqual;

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct LinearCase {
  int64_t rows, in, out;
};
class LinearTest : public testing::TestWithParam<LinearCase> {};

TEST_P(LinearTest, IsCloseAndEveryRowIsItsOwn) {
  const auto [rows, in, out] = GetParam();
  const at::Tensor x = at::randn({rows, in}), bias = at::randn({out});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor weight = at::randn({out, in}).to(dtype);
    const PackedLinear linear = PackedLinear::Pack(weight, bias, at::kCPU);
    const at::Tensor y = linear.Forward(x);
    const at::Tensor wanted = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t()) + bias;
    EXPECT_LT(MaxDifference(y, wanted), 1e-5 * in);
    ExpectAllEqual(EveryWay([&] { return linear.Forward(x); }));
    for (int64_t row = 0; row < rows; ++row) {
      ASSERT_TRUE(at::equal(linear.Forward(x.narrow(0, row, 1)), y.narrow(0, row, 1))) << row;
    }
    const PackedLinear wide = PackedLinear::Pack(weight.to(at::kFloat), bias, at::kCPU);
    EXPECT_TRUE(at::equal(wide.Forward(x), y)) << "bfloat16 weights are widened, not rounded";
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         LinearTest,
                         testing::Values(LinearCase{0, 8, 16},
                                         LinearCase{1, 1, 1},
                                         LinearCase{5, 64, 128},
                                         LinearCase{13, 33, 17},
                                         LinearCase{37, 160, 92},
                                         LinearCase{3, 1000, 250}));

TEST(Exp, IsWithinTwoUnitsInTheLastPlaceAndTheSameOnEveryTarget) {
  const at::Tensor x = at::linspace(-87.2, 88, 200'001);
  const auto run = [&] {
    at::Tensor y = at::zeros_like(x);
    ExpFlat(x.const_data_ptr<float>(), x.numel(), y.mutable_data_ptr<float>());
    return y;
  };
  ExpectAllEqual(EveryWay(run));
  const at::Tensor y = run(), wanted = x.to(at::kDouble).exp();
  EXPECT_LT(((y.to(at::kDouble) - wanted) / wanted).abs().max().item<double>(), 2 * 1.2e-7);
  const at::Tensor edges = at::tensor({-1e30f, -100.0f, 0.0f});
  at::Tensor out = at::zeros({3});
  ExpFlat(edges.const_data_ptr<float>(), 3, out.mutable_data_ptr<float>());
  EXPECT_TRUE(at::equal(out, at::tensor({0.0f, 0.0f, 1.0f})));
}

TEST(Norms, AreCloseAndEveryRowIsItsOwn) {
  for (const int64_t width : {1, 16, 31, 64, 1000}) {
    const at::Tensor x = at::randn({9, width}), weight = at::randn({width}), bias = at::randn({width});
    const at::Tensor wide = x.to(at::kDouble);
    const at::Tensor rms = wide / (wide.square().mean(-1, true) + 1e-5).sqrt() * weight;
    EXPECT_LT(MaxDifference(RmsNorm(x, weight, 1e-5), rms), 1e-5);
    const at::Tensor layer = at::layer_norm(wide, {width}, weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
    EXPECT_LT(MaxDifference(LayerNorm(x, weight, bias, 1e-5), layer), 1e-5);
    ExpectAllEqual(EveryWay([&] { return RmsNorm(x, weight, 1e-5); }));
    ExpectAllEqual(EveryWay([&] { return LayerNorm(x, weight, bias, 1e-5); }));
    EXPECT_TRUE(at::equal(RmsNorm(x.narrow(0, 4, 1), weight, 1e-5), RmsNorm(x, weight, 1e-5).narrow(0, 4, 1)));
  }
}

TEST(Activations, AreClose) {
  const at::Tensor x = at::randn({7, 333}) * 5, up = at::randn({7, 333});
  EXPECT_LT(MaxDifference(SiluMul(x, up), at::silu(x.to(at::kDouble)) * up), 1e-5);
  EXPECT_LT(MaxDifference(QuickGelu(x), x.to(at::kDouble) / (1 + (-1.702 * x.to(at::kDouble)).exp())), 1e-5);
  EXPECT_LT(MaxDifference(Gelu(x), at::gelu(x.to(at::kDouble))), 1e-5);
  ExpectAllEqual(EveryWay([&] { return SiluMul(x, up); }));
  ExpectAllEqual(EveryWay([&] { return QuickGelu(x); }));
  const at::Tensor far = at::tensor({-200.0f, 200.0f});
  EXPECT_TRUE(QuickGelu(far).isfinite().all().item<bool>());
}

TEST(DenseAttention, IsCloseAndEveryTileIsItsOwn) {
  for (const auto& [n, head_dim] : {std::pair<int64_t, int64_t>{1, 8}, {17, 8}, {35, 64}, {50, 88}}) {
    const at::Tensor q = at::randn({3, n, 2, head_dim}), k = at::randn({3, n, 2, head_dim}), v = at::randn({3, n, 2, head_dim});
    const at::Tensor out = DenseAttention(q, k, v);
    const auto heads_first = [](const at::Tensor& t) { return t.to(at::kDouble).transpose(1, 2); };
    const at::Tensor scores = at::matmul(heads_first(q), heads_first(k).transpose(2, 3)) / std::sqrt(double(head_dim));
    const at::Tensor wanted = at::matmul(at::softmax(scores, -1), heads_first(v)).transpose(1, 2);
    EXPECT_LT(MaxDifference(out, wanted), 1e-5);
    EXPECT_TRUE(at::equal(DenseAttention(q.narrow(0, 1, 1), k.narrow(0, 1, 1), v.narrow(0, 1, 1)), out.narrow(0, 1, 1)));
    ExpectAllEqual(EveryWay([&] { return DenseAttention(q, k, v); }));
  }
}

TEST(DenseAttention, KeysMayBeFewerOrMoreThanQueries) {
  for (const auto& [n, m] : {std::pair<int64_t, int64_t>{1, 33}, {9, 26}, {20, 3}, {7, 1}}) {
    const at::Tensor q = at::randn({2, n, 3, 24}), k = at::randn({2, m, 3, 24}), v = at::randn({2, m, 3, 24});
    const auto heads_first = [](const at::Tensor& t) { return t.to(at::kDouble).transpose(1, 2); };
    const at::Tensor scores = at::matmul(heads_first(q), heads_first(k).transpose(2, 3)) / std::sqrt(24.0);
    const at::Tensor wanted = at::matmul(at::softmax(scores, -1), heads_first(v)).transpose(1, 2);
    EXPECT_LT(MaxDifference(DenseAttention(q, k, v), wanted), 1e-5) << n << " " << m;
  }
}

// A sequence of `n` positions with its queries, keys and values.
struct PagedCase {
  explicit PagedCase(int64_t n, int64_t heads = 4, int64_t kv_heads = 2, int64_t head_dim = 24)
      : n(n), kv_heads(kv_heads), head_dim(head_dim), q(at::randn({n, heads, head_dim})), k(at::randn({n, kv_heads, head_dim})),
        v(at::randn({n, kv_heads, head_dim})) {}

  // Runs positions [0, n) in chunks through a cache whose blocks are `table`, with junk in all other places.
  at::Tensor Run(std::vector<int32_t> table, int64_t chunk) const {
    PagedKv cache = PagedKv::Allocate(40, kv_heads, head_dim, at::kFloat, at::kCPU);
    cache.keys.fill_(NAN);
    cache.values.fill_(NAN);
    std::vector<at::Tensor> out;
    for (int64_t begin = 0; begin < n; begin += chunk) {
      const int64_t rows = std::min(chunk, n - begin);
      const PagedRows where{at::arange(begin, begin + rows, at::kInt), at::zeros({rows}, at::kInt), at::tensor(table, at::kInt).unsqueeze(0)};
      WriteKv(k.narrow(0, begin, rows).contiguous(), v.narrow(0, begin, rows).contiguous(), where, cache);
      out.push_back(PagedAttention(q.narrow(0, begin, rows).contiguous(), cache, where));
    }
    return at::cat(out);
  }
  int64_t n, kv_heads, head_dim;
  at::Tensor q, k, v;
};

TEST(PagedAttention, IsCloseToCausalAttention) {
  const PagedCase c(37);
  const at::Tensor out = c.Run({3, 1, 2}, 37);
  for (int64_t i = 0; i < c.n; ++i) {
    for (int64_t h = 0; h < 4; ++h) {
      const at::Tensor keys = c.k.narrow(0, 0, i + 1).select(1, h / 2).to(at::kDouble);
      const at::Tensor values = c.v.narrow(0, 0, i + 1).select(1, h / 2).to(at::kDouble);
      const at::Tensor weights = at::softmax(at::matmul(keys, c.q[i][h].to(at::kDouble)) / std::sqrt(24.0), 0);
      EXPECT_LT(MaxDifference(out[i][h], at::matmul(weights, values)), 1e-5);
    }
  }
}

TEST(PagedAttention, NoBitHangsOnChunksBlocksTargetsThreadsOrJunkBehindTheEnd) {
  const PagedCase c(70);
  const at::Tensor whole = c.Run({0, 1, 2, 3, 4}, 70);
  EXPECT_TRUE(whole.isfinite().all().item<bool>());
  for (const int64_t chunk : {1, 7, 16, 64}) EXPECT_TRUE(at::equal(c.Run({0, 1, 2, 3, 4}, chunk), whole)) << chunk;
  EXPECT_TRUE(at::equal(c.Run({39, 7, 20, 3, 11}, 70), whole));
  ExpectAllEqual(EveryWay([&] { return c.Run({5, 6, 7, 8, 9}, 13); }));
}

TEST(PagedAttention, SequencesInOneStepDoNotTouchEachOther) {
  const PagedCase a(20), b(33);
  PagedKv cache = PagedKv::Allocate(8, 2, 24, at::kFloat, at::kCPU);
  const PagedRows where{at::cat({at::arange(0, 20, at::kInt), at::arange(0, 33, at::kInt)}),
                        at::cat({at::zeros({20}, at::kInt), at::full({33}, 1, at::kInt)}),
                        at::tensor({0, 1, -1, 4, 2, 3}, at::kInt).view({2, 3})};
  WriteKv(at::cat({a.k, b.k}), at::cat({a.v, b.v}), where, cache);
  const at::Tensor both = PagedAttention(at::cat({a.q, b.q}), cache, where);
  EXPECT_TRUE(at::equal(both.narrow(0, 0, 20), a.Run({0, 1}, 20)));
  EXPECT_TRUE(at::equal(both.narrow(0, 20, 33), b.Run({0, 1, 2}, 33)));
}

TEST(PagedAttention, ACopiedBlockIsTheSame) {
  PagedKv cache = PagedKv::Allocate(3, 2, 8, at::kFloat, at::kCPU);
  cache.keys.select(0, 1).normal_();
  cache.values.select(0, 1).normal_();
  CopyBlock(cache, 1, 2);
  EXPECT_TRUE(at::equal(cache.keys.select(0, 1), cache.keys.select(0, 2)));
  EXPECT_TRUE(at::equal(cache.values.select(0, 1), cache.values.select(0, 2)));
  EXPECT_TRUE(at::equal(cache.keys.select(0, 0), at::zeros_like(cache.keys.select(0, 0))));
}

TEST(Rotary, RotatesHalves) {
  at::Tensor x = at::randn({3, 2, 8});
  const at::Tensor before = x.clone(), angle = at::rand({3, 4}), cos = angle.cos(), sin = angle.sin();
  ApplyRotary(x, cos, sin);
  const at::Tensor first = before.narrow(2, 0, 4), second = before.narrow(2, 4, 4), c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  EXPECT_LT(MaxDifference(x, at::cat({first * c - second * s, second * c + first * s}, 2)), 1e-6);
}

TEST(EmbeddingLookup, IdsOutsideTheSliceAreZeroRows) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor table = at::randn({5, 6}).to(dtype);
    const at::Tensor out = EmbeddingLookup(table, at::tensor({10, 14, 9, 15, -1}, at::kInt), 10);
    EXPECT_TRUE(at::equal(out[0], table[0].to(at::kFloat)));
    EXPECT_TRUE(at::equal(out[1], table[4].to(at::kFloat)));
    EXPECT_TRUE(at::equal(out.narrow(0, 2, 3), at::zeros({3, 6})));
  }
}

TEST(CpuTeam, EveryIndexOnceWhateverTheSize) {
  for (const int threads : {1, 2, 5}) {
    CpuTeam team(threads);
    for (const int64_t n : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(n);
      team.ParallelFor(n, 3, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[i];
      });
      for (const auto& hit : hits) ASSERT_EQ(hit, 1);
    }
  }
}

}  // namespace
}  // namespace triptych::kernels
