#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// Half-split rotation ("rotate_half") in place: x [n, heads, d], cos and sin [n, d / 2] float32, one row for each token.
void ApplyRotary(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace triptych::kernels
