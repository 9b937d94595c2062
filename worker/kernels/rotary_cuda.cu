#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include "common/check.h"
#include "worker/kernels/cuda_float.cuh"
#include "worker/kernels/rotary_device.h"

namespace triptych::kernels {
namespace {

constexpr int kThreads = 256;

// One pair of dimensions a thread. Products and sums are rounded one by one, as on the CPU: float32 gives the CPU's bits.
template <typename T>
__global__ void RotateKernel(T* x, const float* cos, const float* sin, int64_t pairs, int heads, int half) {
  const int64_t pair = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pair >= pairs) return;
  const int64_t head = pair / half, row = head / heads;
  const int i = static_cast<int>(pair % half);
  const float c = cos[row * half + i], s = sin[row * half + i];
  T* const at = x + head * 2 * half + i;
  const float first = Widen(at[0]), second = Widen(at[half]);
  Narrow(__fsub_rn(__fmul_rn(first, c), __fmul_rn(second, s)), at);
  Narrow(__fadd_rn(__fmul_rn(second, c), __fmul_rn(first, s)), at + half);
}

template <typename T>
void Launch(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(2) / 2, pairs = x.size(0) * x.size(1) * half;
  const int64_t blocks = (pairs + kThreads - 1) / kThreads;
  TRIPTYCH_CHECK(blocks <= 0x7fffffff);
  RotateKernel<T><<<static_cast<unsigned>(blocks), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
      static_cast<T*>(x.mutable_data_ptr()), cos.const_data_ptr<float>(), sin.const_data_ptr<float>(), pairs, static_cast<int>(x.size(1)),
      static_cast<int>(half));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace

void ApplyRotaryCuda(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  TRIPTYCH_CHECK(x.is_contiguous() && cos.is_contiguous() && sin.is_contiguous());
  TRIPTYCH_CHECK(x.dim() == 3 && x.size(2) % 2 == 0 && cos.size(0) == x.size(0) && cos.size(1) == x.size(2) / 2 && sin.sizes() == cos.sizes());
  TRIPTYCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
  if (x.numel() == 0) return;
  if (x.scalar_type() == at::kFloat) {
    Launch<float>(x, cos, sin);
  } else {
    Launch<__nv_bfloat16>(x, cos, sin);
  }
}

}  // namespace triptych::kernels
