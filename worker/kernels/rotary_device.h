#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

void ApplyRotaryCuda(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace triptych::kernels
