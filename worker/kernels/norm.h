#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// x / sqrt(mean(x^2) + eps) * weight, row by row in float32, cast back to x's dtype. x [n, width], weight [width].
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// (x - mean) / sqrt(var + eps) * weight + bias, row by row in float32. x [n, width].
at::Tensor LayerNorm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

}  // namespace triptych::kernels
