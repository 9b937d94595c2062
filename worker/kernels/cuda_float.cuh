#pragma once

#include <cuda_bf16.h>

// The one way in which kernels read and write what they compute with in float32.
namespace triptych::kernels {

__device__ inline float Widen(float x) { return x; }
__device__ inline float Widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void Narrow(float x, float* to) { *to = x; }
__device__ inline void Narrow(float x, __nv_bfloat16* to) { *to = __float2bfloat16(x); }  // to nearest, ties to even

}  // namespace triptych::kernels
