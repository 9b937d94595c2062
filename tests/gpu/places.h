#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/kernels/cuda_devices.h"

namespace triptych::fakes {

// Where and in what a test body computes.
struct Place {
  at::DeviceType type;
  at::ScalarType dtype;

  at::Device device() const { return type == at::kCPU ? at::Device(at::kCPU) : at::Device(type, 0); }
  bool wide() const { return dtype == at::kFloat; }
  bool is_here() const { return type == at::kCPU || kernels::NumCudaDevices() > 0; }
  at::Tensor Put(const at::Tensor& tensor) const { return tensor.to(device(), dtype); }
};

inline std::vector<Place> Places() { return {{at::kCPU, at::kFloat}, {at::kCUDA, at::kFloat}, {at::kCUDA, at::kBFloat16}}; }

inline std::string NameOf(const Place& place) {
  return std::string(place.type == at::kCPU ? "Cpu" : "Cuda") + (place.wide() ? "Float32" : "BFloat16");
}

// The largest difference, in parts of the largest wanted number (or of 1).
inline double Error(const at::Tensor& got, const at::Tensor& wanted) {
  if (wanted.numel() == 0) return 0;
  const at::Tensor exact = wanted.to(at::kCPU, at::kDouble);
  const double scale = std::max(1.0, exact.abs().max().item<double>());
  return (got.to(at::kCPU, at::kDouble) - exact).abs().max().item<double>() / scale;
}

}  // namespace triptych::fakes
