#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "worker/kernels/linear.h"
#include "worker/vision/layer_norm.h"

namespace triptych::vision {

// A block of a vision transformer with norms before its two parts (arXiv 2010.11929):
//   x += out(attention(qkv(norm1 x))); x += fc2(activation(fc1(norm2 x))).
struct VitBlock {
  LayerNorm norm1, norm2;
  kernels::PackedLinear qkv;  // [width] -> queries, keys, values, each [heads * d]
  kernels::PackedLinear out, fc1, fc2;

  // x [tiles * tokens, width], in place; each tile attends to itself alone.
  void Forward(at::Tensor& x,
               int64_t tiles,
               int64_t heads,
               at::Tensor (*activation)(const at::Tensor&)) const;
};

}  // namespace triptych::vision
