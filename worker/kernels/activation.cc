#include "worker/kernels/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include <cmath>

#include "common/check.h"
#include "worker/kernels/cpu_team.h"
#include "worker/kernels/rows_cpu.h"

namespace triptych::kernels {
namespace {

constexpr int64_t kElementsPerPiece = 4096;  // a multiple of 16, so that pieces do not change where lanes begin

// y = f(x) over flat pieces.
template <typename Function>
at::Tensor Map(const at::Tensor& x, Function function) {
  TRIPTYCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kFloat);
  at::Tensor y = at::empty_like(x);
  const float* const from = x.const_data_ptr<float>();
  float* const to = y.mutable_data_ptr<float>();
  ParallelFor(x.numel(), kElementsPerPiece, [&](int64_t begin, int64_t end) { function(from, begin, end - begin, to); });
  return y;
}

}  // namespace

at::Tensor SiluMul(const at::Tensor& gate, const at::Tensor& up) {
  if (!gate.is_cpu()) return at::silu(gate) * up;
  TRIPTYCH_CHECK(up.is_contiguous() && up.sizes() == gate.sizes());
  const float* const factor = up.const_data_ptr<float>();
  return Map(gate, [factor](const float* x, int64_t at, int64_t n, float* y) { SiluMulFlat(x + at, factor + at, n, y + at); });
}

at::Tensor QuickGelu(const at::Tensor& x) {
  if (!x.is_cpu()) return x * at::sigmoid(x * 1.702);
  return Map(x, [](const float* x, int64_t at, int64_t n, float* y) { QuickGeluFlat(x + at, n, y + at); });
}

at::Tensor Gelu(const at::Tensor& x) {
  if (!x.is_cpu()) return at::gelu(x);
  return Map(x, [](const float* x, int64_t at, int64_t n, float* y) {
    for (int64_t i = at; i < at + n; ++i) y[i] = 0.5f * x[i] * (1.0f + std::erf(x[i] * 0.70710678118654752f));
  });
}

}  // namespace triptych::kernels
