// Each (row, query head) has a block of threads of its own, which walks over the row's positions in tiles of 32, one position a lane. Which warp and
// lane a position falls to, and the order in which everything is added, hang on the position alone: the bits of a row are the same whatever else is
// in the step, in which blocks its keys lie and how its prompt was cut into chunks. All sums are in float32.
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <cmath>

#include "common/check.h"
#include "common/ids.h"
#include "worker/kernels/cuda_float.cuh"
#include "worker/kernels/paged_attention_device.h"

namespace triptych::kernels {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kLanes;
constexpr int kMaxHeadDim = 256;
constexpr int kMaxDimsPerLane = kMaxHeadDim / kLanes;
constexpr unsigned kAllLanes = 0xffffffff;
static_assert(kLanes % kBlockTokens == 0, "a tile is whole blocks");

// `kWidth` neighbours that are loaded at once; aligned as their size.
template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T at[kWidth];
};

struct Rows {
  const int32_t* positions;
  const int32_t* sequence;
  const int32_t* tables;
  int table_width;

  __device__ int64_t Block(int64_t row, int position) const {
    const int index = position / kBlockTokens;
    CUDA_KERNEL_ASSERT(index < table_width);
    const int32_t block = tables[static_cast<int64_t>(sequence[row]) * table_width + index];
    CUDA_KERNEL_ASSERT(block >= 0);
    return block;
  }
};

struct Heads {
  int heads, kv_heads, head_dim;
};

template <typename T>
__global__ void WriteKvKernel(const T* k, const T* v, Rows rows, int kv_heads, int head_dim, T* keys, T* values) {
  const int64_t row = blockIdx.x / kv_heads;
  const int head = blockIdx.x % kv_heads;
  const int position = rows.positions[row], slot = position % kBlockTokens;
  const int64_t to = (rows.Block(row, position) * kv_heads + head) * head_dim * kBlockTokens;
  const int64_t from = static_cast<int64_t>(blockIdx.x) * head_dim;
  for (int d = threadIdx.x; d < head_dim; d += blockDim.x) {
    keys[to + d * kBlockTokens + slot] = k[from + d];
    values[to + slot * head_dim + d] = v[from + d];
  }
}

__device__ float MaxOfWarp(float x) {
  for (int step = kLanes / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, step));
  return x;
}

__device__ float SumOfWarp(float x) {
  for (int step = kLanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(kAllLanes, x, step);
  return x;
}

// A softmax under way over some of a row's positions. Every lane holds the same `max`, and a part of `sum`; lane i has of the mixed values the
// dimensions (i + 32 * pack) * kWidth + [0, kWidth).
template <int kWidth>
struct Running {
  float max = -INFINITY;
  float sum = 0;
  float mixed[kMaxDimsPerLane / kWidth][kWidth] = {};
};

// This lane's position of the tile against the query: one chain over the dimensions, ascending.
template <typename T>
__device__ float Score(const float* q, const T* keys, int head_dim, float scale) {
  float score = 0;
  for (int d = 0; d < head_dim; ++d) score = fmaf(q[d], Widen(keys[d * kBlockTokens]), score);
  return score * scale;
}

// Takes a tile into the softmax; tiles and their positions come in ascending order. Lane i has the score of position i, -infinity behind the
// row's end, and where that position's block begins in `values`.
template <typename T, int kWidth>
__device__ void TakeTile(float score, int64_t block, const T* values, int num_positions, int head_dim, Running<kWidth>& running) {
  const int lane = threadIdx.x % kLanes;
  const float max = fmaxf(running.max, MaxOfWarp(score));
  const float shrink = expf(running.max - max);  // 0 at first
  const float weight = lane < num_positions ? expf(score - max) : 0;
  running.max = max;
  running.sum = fmaf(running.sum, shrink, weight);
  for (auto& pack : running.mixed) {
    for (float& x : pack) x *= shrink;
  }
  const T* value = nullptr;
  for (int j = 0; j < num_positions; ++j, value += head_dim) {
    if (j % kBlockTokens == 0) value = values + __shfl_sync(kAllLanes, block, j);
    const float weight_j = __shfl_sync(kAllLanes, weight, j);
#pragma unroll
    for (int pack = 0; pack < kMaxDimsPerLane / kWidth; ++pack) {
      const int d = (pack * kLanes + lane) * kWidth;
      if (d >= head_dim) break;
      const auto loaded = *reinterpret_cast<const Pack<T, kWidth>*>(value + d);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) running.mixed[pack][i] = fmaf(weight_j, Widen(loaded.at[i]), running.mixed[pack][i]);
    }
  }
}

// What each warp found, added up in the order of warps.
struct Parts {
  float max[kWarps];
  float sum[kWarps];
  float mixed[kWarps][kMaxHeadDim];
};

template <int kWidth>
__device__ void PutPart(const Running<kWidth>& running, int head_dim, Parts& parts) {
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  const float sum = SumOfWarp(running.sum);
  if (lane == 0) {
    parts.max[warp] = running.max;
    parts.sum[warp] = sum;
  }
#pragma unroll
  for (int pack = 0; pack < kMaxDimsPerLane / kWidth; ++pack) {
    const int d = (pack * kLanes + lane) * kWidth;
    if (d >= head_dim) break;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) parts.mixed[warp][d + i] = running.mixed[pack][i];
  }
}

template <typename T>
__device__ void JoinParts(const Parts& parts, int head_dim, T* out) {
  float max = parts.max[0];
  for (int warp = 1; warp < kWarps; ++warp) max = fmaxf(max, parts.max[warp]);
  float shrink[kWarps];
  float sum = 0;
  for (int warp = 0; warp < kWarps; ++warp) {
    shrink[warp] = expf(parts.max[warp] - max);  // 0 for a warp without positions
    sum = fmaf(parts.sum[warp], shrink[warp], sum);
  }
  for (int d = threadIdx.x; d < head_dim; d += kThreads) {
    float mixed = 0;
    for (int warp = 0; warp < kWarps; ++warp) mixed = fmaf(parts.mixed[warp][d], shrink[warp], mixed);
    Narrow(mixed / sum, out + d);
  }
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    AttendKernel(const T* q, const T* keys, const T* values, Rows rows, Heads shape, float scale, T* out) {
  __shared__ float query[kMaxHeadDim];
  __shared__ Parts parts;
  const int64_t row = blockIdx.x / shape.heads;
  const int kv_head = blockIdx.x % shape.heads / (shape.heads / shape.kv_heads);
  const int warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * shape.head_dim;
  const int length = rows.positions[row] + 1;
  const int64_t head_size = static_cast<int64_t>(shape.head_dim) * kBlockTokens;

  for (int d = threadIdx.x; d < shape.head_dim; d += kThreads) query[d] = Widen(q[at + d]);
  __syncthreads();
  Running<kWidth> running;
  for (int first = warp * kLanes; first < length; first += kThreads) {
    const int num_positions = min(kLanes, length - first);
    const bool inside = lane < num_positions;
    const int64_t block = inside ? (rows.Block(row, first + lane) * shape.kv_heads + kv_head) * head_size : 0;
    const float score = inside ? Score(query, keys + block + lane % kBlockTokens, shape.head_dim, scale) : -INFINITY;
    TakeTile<T, kWidth>(score, block, values, num_positions, shape.head_dim, running);
  }
  PutPart(running, shape.head_dim, parts);
  __syncthreads();
  JoinParts(parts, shape.head_dim, out + at);
}

Rows Pointers(const PagedRows& rows) {
  TRIPTYCH_CHECK(rows.positions.is_contiguous() && rows.sequence.is_contiguous() && rows.block_tables.is_contiguous());
  return {rows.positions.const_data_ptr<int32_t>(), rows.sequence.const_data_ptr<int32_t>(), rows.block_tables.const_data_ptr<int32_t>(),
          static_cast<int>(rows.block_tables.size(1))};
}

// Heads and rows share the one dimension of the grid that is wide enough.
unsigned GridOf(int64_t rows, int64_t heads) {
  TRIPTYCH_CHECK(rows * heads <= 0x7fffffff);
  return static_cast<unsigned>(rows * heads);
}

template <typename T>
const T* Data(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

// Calls `body` with a null pointer of the elements' type on the device.
template <typename Body>
void ForType(at::ScalarType dtype, Body body) {
  TRIPTYCH_CHECK(dtype == at::kFloat || dtype == at::kBFloat16);
  if (dtype == at::kFloat) {
    body(static_cast<float*>(nullptr));
  } else {
    body(static_cast<__nv_bfloat16*>(nullptr));
  }
}

template <typename T, int kWidth>
void Launch(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows, at::Tensor& out) {
  const Heads shape{static_cast<int>(q.size(1)), static_cast<int>(cache.keys.size(1)), static_cast<int>(q.size(2))};
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  AttendKernel<T, kWidth><<<GridOf(q.size(0), shape.heads), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
      Data<T>(q), Data<T>(cache.keys), Data<T>(cache.values), Pointers(rows), shape, scale, static_cast<T*>(out.mutable_data_ptr()));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace

void WriteKvCuda(const at::Tensor& k, const at::Tensor& v, const PagedRows& rows, PagedKv& cache) {
  TRIPTYCH_CHECK(k.is_contiguous() && v.is_contiguous() && cache.keys.is_contiguous() && cache.values.is_contiguous());
  TRIPTYCH_CHECK(k.dim() == 3 && k.sizes() == v.sizes() && k.size(1) == cache.keys.size(1) && k.size(2) == cache.keys.size(2));
  TRIPTYCH_CHECK(k.scalar_type() == cache.keys.scalar_type() && v.scalar_type() == cache.values.scalar_type());
  if (k.size(0) == 0) return;
  ForType(k.scalar_type(), [&]<typename T>(T*) {
    const int kv_heads = static_cast<int>(k.size(1)), head_dim = static_cast<int>(k.size(2));
    WriteKvKernel<T><<<GridOf(k.size(0), kv_heads), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        Data<T>(k), Data<T>(v), Pointers(rows), kv_heads, head_dim, static_cast<T*>(cache.keys.mutable_data_ptr()),
        static_cast<T*>(cache.values.mutable_data_ptr()));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
}

at::Tensor PagedAttentionCuda(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows) {
  TRIPTYCH_CHECK(q.is_contiguous() && cache.keys.is_contiguous() && cache.values.is_contiguous());
  TRIPTYCH_CHECK(q.dim() == 3 && q.size(1) % cache.keys.size(1) == 0 && q.size(2) == cache.keys.size(2) && q.size(2) <= kMaxHeadDim);
  TRIPTYCH_CHECK(q.scalar_type() == cache.keys.scalar_type() && q.scalar_type() == cache.values.scalar_type());
  at::Tensor out = at::empty_like(q);
  if (q.size(0) == 0) return out;
  ForType(q.scalar_type(), [&]<typename T>(T*) {
    if (q.size(2) % 4 == 0) return Launch<T, 4>(q, cache, rows, out);
    if (q.size(2) % 2 == 0) return Launch<T, 2>(q, cache, rows, out);
    Launch<T, 1>(q, cache, rows, out);
  });
  return out;
}

}  // namespace triptych::kernels
