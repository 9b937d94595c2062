// Each kernel on each device, in each dtype that the device computes in, against ATen in double precision on the CPU; and the bits that the attention
// kernels promise. Tolerances are parts of the largest number wanted: 1e-5 in float32; in bfloat16, whose own step is 2^-8, one or a few roundings.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "common/ids.h"
#include "gtest/gtest.h"
#include "tests/gpu/places.h"
#include "worker/kernels/activation.h"
#include "worker/kernels/attention.h"
#include "worker/kernels/embedding.h"
#include "worker/kernels/linear.h"
#include "worker/kernels/norm.h"
#include "worker/kernels/paged_attention.h"
#include "worker/kernels/quantized_linear.h"
#include "worker/kernels/rotary.h"

namespace triptych::kernels {
namespace {

using fakes::Error;
using fakes::Place;

at::Tensor Exact(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); }

class DeviceTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (!place().is_here()) GTEST_SKIP() << "no CUDA device";
  }
  const Place& place() const { return GetParam(); }
  at::Tensor Random(at::IntArrayRef shape) const { return place().Put(at::randn(shape)); }
  double tolerance() const { return place().wide() ? 1e-5 : 2e-2; }
};

TEST_P(DeviceTest, Linear) {
  for (const auto& [rows, in, out] : {std::tuple{0, 8, 16}, {1, 64, 128}, {13, 40, 24}, {37, 160, 96}, {3, 1000, 256}}) {
    const at::Tensor x = Random({rows, in}), weight = Random({out, in}), bias = Random({out});
    const at::Tensor wanted = at::matmul(Exact(x), Exact(weight).t());
    const PackedLinear plain = PackedLinear::Pack(weight, std::nullopt, place().device());
    const PackedLinear linear = PackedLinear::Pack(weight, bias, place().device());
    EXPECT_LT(Error(plain.Forward(x), wanted), tolerance()) << rows;
    EXPECT_LT(Error(linear.Forward(x), wanted + Exact(bias)), tolerance()) << rows;
  }
}

TEST_P(DeviceTest, QuantizedLinear) {
  for (const auto& [rows, in, out] : {std::tuple{0, 8, 16}, {1, 64, 128}, {13, 40, 23}, {3, 2500, 256}}) {
    for (const int bits : {4, 8}) {
      const QuantizedMatrix matrix = RoundToNearest(at::randn({out, in}), bits, /*group_size=*/16);
      const at::Tensor x = Random({rows, in}), bias = Random({out});
      const at::Tensor wanted = at::matmul(Exact(x), Exact(Dequantize(matrix)).t());
      const QuantizedLinear plain = QuantizedLinear::Pack(matrix, std::nullopt, place().device());
      const QuantizedLinear linear = QuantizedLinear::Pack(matrix, bias, place().device());
      EXPECT_LT(Error(plain.Forward(x), wanted), tolerance()) << rows;
      EXPECT_LT(Error(linear.Forward(x), wanted + Exact(bias)), tolerance()) << rows;
    }
  }
}

TEST_P(DeviceTest, Norms) {
  for (const int64_t width : {16, 64, 1000}) {
    const at::Tensor x = Random({9, width}), weight = Random({width}), bias = Random({width});
    const at::Tensor wide = Exact(x);
    const at::Tensor rms = wide / (wide.square().mean(-1, true) + 1e-5).sqrt() * Exact(weight);
    EXPECT_LT(Error(RmsNorm(x, weight, 1e-5), rms), tolerance());
    EXPECT_LT(Error(LayerNorm(x, weight, bias, 1e-5), at::layer_norm(wide, {width}, Exact(weight), Exact(bias), 1e-5)), tolerance());
  }
}

TEST_P(DeviceTest, Activations) {
  const at::Tensor x = Random({7, 333}), up = Random({7, 333});
  EXPECT_LT(Error(SiluMul(x, up), at::silu(Exact(x)) * Exact(up)), tolerance());
  EXPECT_LT(Error(QuickGelu(x), Exact(x) / (1 + (-1.702 * Exact(x)).exp())), tolerance());
  EXPECT_LT(Error(Gelu(x), at::gelu(Exact(x))), tolerance());
}

TEST_P(DeviceTest, DenseAttention) {
  for (const auto& [n, head_dim] : {std::pair<int64_t, int64_t>{1, 8}, {17, 8}, {50, 64}}) {
    const at::Tensor q = Random({3, n, 2, head_dim}), k = Random({3, n, 2, head_dim}), v = Random({3, n, 2, head_dim});
    const auto heads_first = [](const at::Tensor& t) { return Exact(t).transpose(1, 2); };
    const at::Tensor scores = at::matmul(heads_first(q), heads_first(k).transpose(2, 3)) / std::sqrt(double(head_dim));
    EXPECT_LT(Error(DenseAttention(q, k, v), at::matmul(at::softmax(scores, -1), heads_first(v)).transpose(1, 2)), tolerance());
  }
}

TEST_P(DeviceTest, EmbeddingLookup) {
  const at::Tensor table = Random({5, 6});
  const at::Tensor ids = at::tensor({10, 14, 9, 15, -1}, at::kInt).to(place().device());
  const at::Tensor out = EmbeddingLookup(table, ids, 10);
  EXPECT_EQ(out.scalar_type(), place().dtype);
  EXPECT_TRUE(at::equal(out[0], table[0]));
  EXPECT_TRUE(at::equal(out[1], table[4]));
  EXPECT_EQ(out.narrow(0, 2, 3).abs().max().item<double>(), 0);
}

TEST_P(DeviceTest, Rotary) {
  for (const auto& [heads, head_dim] : {std::pair{2, 8}, {5, 24}, {1, 128}}) {
    const at::Tensor before = Random({300, heads, head_dim}), angle = at::rand({300, head_dim / 2}) * 6, cos = angle.cos(), sin = angle.sin();
    at::Tensor x = before.clone(), on_cpu = before.to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    ApplyRotary(x, cos.to(place().device()), sin.to(place().device()));
    ApplyRotary(on_cpu, cos, sin);
    EXPECT_TRUE(at::equal(x.to(at::kCPU), on_cpu.to(place().dtype))) << "the CPU's bits, rounded once";
  }
}

// A sequence of `n` positions with its queries, keys and values.
struct PagedCase {
  PagedCase(const Place& place, int64_t n, int64_t heads = 4, int64_t kv_heads = 2, int64_t head_dim = 24)
      : place(place), n(n), kv_heads(kv_heads), head_dim(head_dim), q(place.Put(at::randn({n, heads, head_dim}))),
        k(place.Put(at::randn({n, kv_heads, head_dim}))), v(place.Put(at::randn({n, kv_heads, head_dim}))) {}

  PagedKv Cache() const {
    PagedKv cache = PagedKv::Allocate(40, kv_heads, head_dim, place.dtype, place.device());
    cache.keys.fill_(NAN);  // what must not be read
    cache.values.fill_(NAN);
    return cache;
  }
  PagedRows Where(int64_t begin, int64_t rows, const std::vector<int32_t>& table) const {
    return {at::arange(begin, begin + rows, at::kInt).to(place.device()), at::zeros({rows}, at::kInt).to(place.device()),
            at::tensor(table, at::kInt).unsqueeze(0).to(place.device())};
  }
  // Positions [0, n) in chunks, through blocks `table`.
  at::Tensor Run(const std::vector<int32_t>& table, int64_t chunk) const {
    PagedKv cache = Cache();
    std::vector<at::Tensor> out;
    for (int64_t begin = 0; begin < n; begin += chunk) {
      const int64_t rows = std::min(chunk, n - begin);
      const PagedRows where = Where(begin, rows, table);
      WriteKv(k.narrow(0, begin, rows), v.narrow(0, begin, rows), where, cache);
      out.push_back(PagedAttention(q.narrow(0, begin, rows), cache, where));
    }
    return at::cat(out);
  }
  at::Tensor Wanted() const {  // [n, heads, d] double
    const int64_t group = q.size(1) / kv_heads;
    const auto heads_first = [](const at::Tensor& t) { return Exact(t).transpose(0, 1); };
    const at::Tensor keys = heads_first(k).repeat_interleave(group, 0), values = heads_first(v).repeat_interleave(group, 0);
    const at::Tensor scores = at::matmul(heads_first(q), keys.transpose(1, 2)) / std::sqrt(double(head_dim));
    const at::Tensor ahead = at::full({n, n}, -INFINITY, at::kDouble).triu(1);
    return at::matmul(at::softmax(scores + ahead, -1), values).transpose(0, 1);
  }

  Place place;
  int64_t n, kv_heads, head_dim;
  at::Tensor q, k, v;
};

std::vector<int32_t> Blocks(int64_t n, int32_t first) {
  std::vector<int32_t> table;
  for (int64_t i = 0; i * kBlockTokens < n; ++i) table.push_back((first + static_cast<int32_t>(i) * 7) % 40);
  return table;
}

TEST_P(DeviceTest, PagedAttentionIsCausalAttention) {
  for (const auto& [n, heads, kv_heads, head_dim] : {std::tuple{1, 4, 2, 24},
                                                     {37, 4, 2, 24},
                                                     {16, 2, 2, 8},
                                                     {300, 8, 2, 64},
                                                     {130, 7, 1, 128},
                                                     {33, 3, 3, 256},
                                                     {70, 2, 1, 34}}) {
    const PagedCase c(place(), n, heads, kv_heads, head_dim);
    EXPECT_LT(Error(c.Run(Blocks(n, 3), n), c.Wanted()), tolerance()) << n << " " << head_dim;
  }
}

TEST_P(DeviceTest, NoBitOfPagedAttentionHangsOnChunksBlocksOrJunk) {
  for (const int64_t head_dim : {24, 128}) {
    const PagedCase c(place(), 290, 4, 2, head_dim);
    const at::Tensor whole = c.Run(Blocks(290, 0), 290);
    EXPECT_TRUE(whole.isfinite().all().item<bool>());
    for (const int64_t chunk : {1, 7, 16, 64}) EXPECT_TRUE(at::equal(c.Run(Blocks(290, 0), chunk), whole)) << chunk;
    EXPECT_TRUE(at::equal(c.Run(Blocks(290, 11), 290), whole));
  }
}

TEST_P(DeviceTest, SequencesInOneStepDoNotTouchEachOther) {
  const PagedCase a(place(), 20), b(place(), 33);
  PagedKv cache = a.Cache();
  const PagedRows where{at::cat({at::arange(0, 20, at::kInt), at::arange(0, 33, at::kInt)}).to(place().device()),
                        at::cat({at::zeros({20}, at::kInt), at::full({33}, 1, at::kInt)}).to(place().device()),
                        at::tensor({0, 1, -1, 4, 2, 3}, at::kInt).view({2, 3}).to(place().device())};
  WriteKv(at::cat({a.k, b.k}), at::cat({a.v, b.v}), where, cache);
  const at::Tensor both = PagedAttention(at::cat({a.q, b.q}), cache, where);
  EXPECT_TRUE(at::equal(both.narrow(0, 0, 20), a.Run({0, 1}, 20)));
  EXPECT_TRUE(at::equal(both.narrow(0, 20, 33), b.Run({0, 1, 2}, 33)));
}

TEST_P(DeviceTest, NoRowsAreNoRows) {
  const PagedCase c(place(), 5);
  PagedKv cache = c.Cache();
  const PagedRows where = c.Where(0, 0, {0});
  WriteKv(c.k.narrow(0, 0, 0), c.v.narrow(0, 0, 0), where, cache);
  EXPECT_EQ(PagedAttention(c.q.narrow(0, 0, 0), cache, where).numel(), 0);
}

TEST_P(DeviceTest, ACopiedBlockIsTheSame) {
  PagedKv cache = PagedKv::Allocate(3, 2, 8, place().dtype, place().device());
  cache.keys.select(0, 1).normal_();
  cache.values.select(0, 1).normal_();
  CopyBlock(cache, 1, 2);
  EXPECT_TRUE(at::equal(cache.keys.select(0, 1), cache.keys.select(0, 2)));
  EXPECT_TRUE(at::equal(cache.values.select(0, 1), cache.values.select(0, 2)));
}

INSTANTIATE_TEST_SUITE_P(Places, DeviceTest, testing::ValuesIn(fakes::Places()), [](const auto& info) { return fakes::NameOf(info.param); });

}  // namespace
}  // namespace triptych::kernels
