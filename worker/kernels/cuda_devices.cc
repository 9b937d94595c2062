#include "worker/kernels/cuda_devices.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

namespace triptych::kernels {

int NumCudaDevices() { return c10::cuda::device_count(); }

std::string CudaArchitecture(int device) {
  int major = 0, minor = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return "sm" + std::to_string(major) + std::to_string(minor);
}

}  // namespace triptych::kernels
