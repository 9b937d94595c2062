#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "worker/kernels/quantized_matrix.h"

namespace triptych::kernels {

// y = x W^T + b, with W in whole numbers. Immutable after Pack, thread-safe.
//
// CPU: activations float32. Weights are widened in the cache, 64 inputs of 64 outputs at a time,
// and give bit for bit what PackedLinear gives of Dequantize(matrix), whatever the number of rows.
// CUDA: activations bfloat16 or float32; each product widens the whole matrix to their dtype
// first.
class QuantizedLinear {
 public:
  // bias [out], or nothing.
  static QuantizedLinear Pack(const QuantizedMatrix& matrix,
                              const std::optional<at::Tensor>& bias,
                              at::Device device);

  at::Tensor Forward(const at::Tensor& x) const;  // [n, in] -> [n, out], any n >= 0
  int64_t bytes() const;

 private:
  at::Tensor ForwardCpu(const at::Tensor& x) const;

  int bits_ = 0;
  int64_t in_ = 0, out_ = 0;
  // CPU: as QuantizedLinearCpuArgs says. CUDA: codes as PackNibbles gives them, or [in, out] of 8
  // bits; scales and zeros [groups, out].
  at::Tensor codes_, scales_, zeros_;
  at::Tensor group_of_;  // [in] int32
  at::Tensor bias_;      // [out], or undefined
};

// Codes of 4 bits [in, out], two in a byte: [in, ceil(out / 2)] uint8, the output of even number
// below. Any device.
at::Tensor PackNibbles(const at::Tensor& codes);
// And back, of `out` outputs.
at::Tensor UnpackNibbles(const at::Tensor& packed, int64_t out);

}  // namespace triptych::kernels
