#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// Attention without a mask, of all rows of one tile to all rows of one, which may be another: softmax(q k^T / sqrt(d)) v for each (batch, head)
// on its own, so that no bit hangs on what else is in the batch. q [batch, n, heads, d], k and v [batch, m, heads, d] -> [batch, n, heads, d].
at::Tensor DenseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace triptych::kernels
