#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

at::Tensor SiluMul(const at::Tensor& gate, const at::Tensor& up);  // silu(gate) * up, [n, width]
at::Tensor QuickGelu(const at::Tensor& x);                         // x * sigmoid(1.702 x)
at::Tensor Gelu(const at::Tensor& x);                              // exact (erf) form

}  // namespace triptych::kernels
