#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// `tensor` as `dtype` on `device`. One without data (on the meta device: what is only measured)
// stays without.
inline at::Tensor Placed(const at::Tensor& tensor, at::Device device, at::ScalarType dtype) {
  return tensor.is_meta() ? tensor.to(dtype) : tensor.to(device, dtype);
}

}  // namespace triptych::kernels
