#pragma once

#include <ATen/core/Tensor.h>

namespace triptych::kernels {

// One layer's cache in the device's layout. Block = kBlockTokens positions.
//   CPU: keys [blocks, kv_heads, d, 16] float32, values [blocks, kv_heads, 16, d] float32. CUDA: the same shapes, activation dtype.
struct PagedKv {
  at::Tensor keys, values;
  static PagedKv Allocate(int64_t blocks, int64_t kv_heads, int64_t head_dim, at::ScalarType dtype, at::Device device);
};

// Where each row of a step stands. All on the activations' device.
struct PagedRows {
  at::Tensor positions;     // [n] int32: absolute position of the row
  at::Tensor sequence;      // [n] int32: row of block_tables
  at::Tensor block_tables;  // [sequences, max_blocks] int32, -1 behind the end
};

// Puts k, v [n, kv_heads, d] at their rows' positions.
void WriteKv(const at::Tensor& k, const at::Tensor& v, const PagedRows& rows, PagedKv& cache);

// Causal attention of each row over positions [0, its own] of its sequence: q [n, heads, d] -> [n, heads, d]; query head h reads kv head
// h / (heads / kv_heads). Scores / sqrt(d), softmax in float32. Each (row, head) is computed alone with a fixed order of summation over
// positions: no bit hangs on the other rows, on block ids, on how the prompt was chunked, or on the number of threads.
at::Tensor PagedAttention(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows);

// Copies whole blocks (beam search forks). from, to: block ids.
void CopyBlock(PagedKv& cache, int64_t from, int64_t to);

}  // namespace triptych::kernels
