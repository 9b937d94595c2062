#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace triptych::vision {

// A position table [1 + side * side, width] float32 stretched to `grid` x `grid` places as the reference does: bicubic (a = -0.75), corners not
// aligned, no antialias; the first row, the class token's, stays.
at::Tensor StretchPositions(const at::Tensor& table, int64_t grid);

}  // namespace triptych::vision
