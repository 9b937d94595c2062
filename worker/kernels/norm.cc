#include "worker/kernels/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/rsqrt.h>

#include "common/check.h"
#include "worker/kernels/cpu_team.h"
#include "worker/kernels/rows_cpu.h"

namespace triptych::kernels {
namespace {

constexpr int64_t kRowsPerPiece = 8;

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (!x.is_cpu()) {
    const at::Tensor wide = x.to(at::kFloat);
    return (wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps)).to(x.scalar_type()) * weight;
  }
  TRIPTYCH_CHECK(x.is_contiguous() && weight.is_contiguous() && x.size(1) == weight.size(0));
  at::Tensor y = at::empty_like(x);
  const int64_t width = x.size(1);
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float* const to = y.mutable_data_ptr<float>();
  ParallelFor(x.size(0), kRowsPerPiece, [&](int64_t begin, int64_t end) {
    RmsNormRows(from + begin * width, w, static_cast<float>(eps), end - begin, width, to + begin * width);
  });
  return y;
}

at::Tensor LayerNorm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  if (x.is_meta()) return at::empty_like(x);
  if (!x.is_cpu()) return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
  TRIPTYCH_CHECK(x.is_contiguous() && weight.is_contiguous() && bias.is_contiguous() && x.size(1) == weight.size(0));
  at::Tensor y = at::empty_like(x);
  const int64_t width = x.size(1);
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  float* const to = y.mutable_data_ptr<float>();
  ParallelFor(x.size(0), kRowsPerPiece, [&](int64_t begin, int64_t end) {
    LayerNormRows(from + begin * width, w, b, static_cast<float>(eps), end - begin, width, to + begin * width);
  });
  return y;
}

}  // namespace triptych::kernels
