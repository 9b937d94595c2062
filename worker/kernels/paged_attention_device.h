#pragma once

#include "common/ids.h"
#include "worker/kernels/paged_attention.h"

// What each device does for paged_attention.h. Without CUDA in the build the CUDA functions throw.
namespace triptych::kernels {

void WriteKvCpu(const at::Tensor& k, const at::Tensor& v, const PagedRows& rows, PagedKv& cache);
at::Tensor PagedAttentionCpu(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows);

void WriteKvCuda(const at::Tensor& k, const at::Tensor& v, const PagedRows& rows, PagedKv& cache);
at::Tensor PagedAttentionCuda(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows);

}  // namespace triptych::kernels
