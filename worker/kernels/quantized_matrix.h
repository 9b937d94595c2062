#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// Weights W [out, in] in whole numbers, of no file's packing:
//   W[o, i] = (codes[i, o] - zeros[g, o]) * scales[g, o], g = group_of[i],
// in float32: the difference is exact, the product rounded once. On the CPU.
struct QuantizedMatrix {
  int bits = 0;         // 4 or 8
  at::Tensor codes;     // [in, out] uint8, each below 2^bits
  at::Tensor scales;    // [groups, out] float32
  at::Tensor zeros;     // [groups, out] uint8
  at::Tensor group_of;  // [in] int32, each below the number of groups

  int64_t in() const { return codes.size(0); }
  int64_t out() const { return codes.size(1); }
};

// The formula above: [out, in] float32.
at::Tensor Dequantize(const QuantizedMatrix& matrix);

// Matrices of the same inputs, bits and groups as one with all their outputs.
QuantizedMatrix JoinOutputs(const std::vector<QuantizedMatrix>& parts);

// Weights [out, in] rounded to the nearest of 2^bits levels, evenly spaced for each output and
// each `group_size` inputs (the last group may have fewer) from the least to the greatest weight,
// zero always among them: the asymmetric round-to-nearest of AWQ (arXiv 2306.00978, section 2) and
// others. `weight` float32, finite.
QuantizedMatrix RoundToNearest(const at::Tensor& weight, int bits, int64_t group_size);

}  // namespace triptych::kernels
