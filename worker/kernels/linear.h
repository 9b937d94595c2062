#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// y = x W^T + b, with W repacked once for the device's kernel. Immutable after Pack, thread-safe.
//
// CPU: activations float32; weights float32, or bfloat16 widened in registers. Each output element is one chain of fused
// multiply-adds over k in ascending order, starting from zero, the bias added last: no bit hangs on the number of rows, on the
// vector width (AVX2, AVX-512) or on the number of threads. CUDA: activations and weights bfloat16 (or float32).
class PackedLinear {
 public:
  // weight [out, in] float32 or bfloat16, bias [out] or nothing.
  static PackedLinear Pack(const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::Device device);

  at::Tensor Forward(const at::Tensor& x) const;  // [n, in] -> [n, out], any n >= 0
  int64_t in_features() const { return in_; }
  int64_t out_features() const { return out_; }
  int64_t bytes() const;

 private:
  int64_t in_ = 0, out_ = 0;
  at::Tensor packed_;  // CPU: [ceil(out / 16), in, 16]; CUDA: [out, in]
  at::Tensor bias_;    // [out] float32, or undefined
};

}  // namespace triptych::kernels
