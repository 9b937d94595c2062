#pragma once

#include <string>

namespace triptych::kernels {

// Devices that this build can compute on: none without CUDA in the build, without a driver or without a device.
int NumCudaDevices();

// The architecture of a device below NumCudaDevices(), as "sm90": libraries choose kernels by it, so bits hang on it.
std::string CudaArchitecture(int device);

}  // namespace triptych::kernels
