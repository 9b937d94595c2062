#include "worker/kernels/paged_attention.h"

#include <ATen/ops/zeros.h>

#include "worker/kernels/memory_meter.h"
#include "worker/kernels/paged_attention_device.h"

namespace triptych::kernels {

PagedKv PagedKv::Allocate(int64_t blocks, int64_t kv_heads, int64_t head_dim, at::ScalarType dtype, at::Device device) {
  const MemoryMeter::KvScope counted_apart;
  const at::TensorOptions options = at::TensorOptions().dtype(dtype).device(device);
  return {at::zeros({blocks, kv_heads, head_dim, kBlockTokens}, options),
          at::zeros({blocks, kv_heads, kBlockTokens, head_dim}, options)};
}

void WriteKv(const at::Tensor& k, const at::Tensor& v, const PagedRows& rows, PagedKv& cache) {
  if (k.is_cpu()) return WriteKvCpu(k, v, rows, cache);
  WriteKvCuda(k, v, rows, cache);
}

at::Tensor PagedAttention(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows) {
  return q.is_cpu() ? PagedAttentionCpu(q, cache, rows) : PagedAttentionCuda(q, cache, rows);
}

void CopyBlock(PagedKv& cache, int64_t from, int64_t to) {
  cache.keys.select(0, to).copy_(cache.keys.select(0, from));
  cache.values.select(0, to).copy_(cache.values.select(0, from));
}

}  // namespace triptych::kernels
