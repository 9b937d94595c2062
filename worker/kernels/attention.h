#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// Attention among all rows of one tile, no mask: softmax(q k^T / sqrt(d)) v for each (batch, head) on its own, so that no bit hangs on
// what else is in the batch. q, k, v [batch, n, heads, d] -> [batch, n, heads, d].
at::Tensor DenseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace triptych::kernels
