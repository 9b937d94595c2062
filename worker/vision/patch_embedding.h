#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "worker/kernels/linear.h"

namespace triptych::vision {

// What a vision transformer begins with: patches through a convolution that meets each of them
// once, a class token before them, and a position added to each. Immutable.
class PatchEmbedding {
 public:
  // As stored, on the CPU in float32.
  struct Weights {
    at::Tensor kernel;               // [width, 3, patch, patch]
    std::optional<at::Tensor> bias;  // [width]
    at::Tensor class_token;          // width numbers of any shape
    at::Tensor positions;            // [1 + patches, width]
  };
  PatchEmbedding() = default;
  PatchEmbedding(const Weights& weights, at::Device device, at::ScalarType dtype);

  // [tiles, 3, side, side] -> [tiles * (1 + patches), width], in the dtype of its weights.
  at::Tensor Forward(const at::Tensor& tiles) const;

 private:
  int64_t patch_size_ = 0;
  kernels::PackedLinear patches_;
  at::Tensor class_token_;  // [1, 1, width]
  at::Tensor positions_;
};

}  // namespace triptych::vision
