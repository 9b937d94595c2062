#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/check.h"
#include "worker/kernels/attend_cpu.h"
#include "worker/kernels/cpu_team.h"
#include "worker/kernels/paged_attention_device.h"

namespace triptych::kernels {
namespace {

constexpr int64_t kRowsPerPiece = 16;

// Rows [begin, end) of one sequence that stand side by side in the step.
struct RowRun {
  int64_t begin;
  int64_t end;
};

std::vector<RowRun> RunsOf(const int32_t* sequence, int64_t n) {
  std::vector<RowRun> runs;
  for (int64_t i = 0; i < n; ++i) {
    const bool longer = !runs.empty() && sequence[i] == sequence[i - 1] && i - runs.back().begin < kRowsPerPiece;
    if (longer) {
      runs.back().end = i + 1;
    } else {
      runs.push_back({i, i + 1});
    }
  }
  return runs;
}

struct View {
  explicit View(const PagedRows& rows)
      : positions(rows.positions.const_data_ptr<int32_t>()),
        sequence(rows.sequence.const_data_ptr<int32_t>()),
        tables(rows.block_tables.const_data_ptr<int32_t>()),
        table_width(rows.block_tables.size(1)) {}
  int64_t Block(int64_t row, int64_t index) const {
    TRIPTYCH_CHECK(index < table_width);
    const int32_t block = tables[sequence[row] * table_width + index];
    TRIPTYCH_CHECK(block >= 0);
    return block;
  }
  const int32_t *positions, *sequence, *tables;
  int64_t table_width;
};

void AttendRun(const at::Tensor& q, const PagedKv& cache, const View& view, const RowRun& run, int64_t kv_head, at::Tensor& out) {
  const int64_t heads = q.size(1), head_dim = q.size(2), kv_heads = cache.keys.size(1), group = heads / kv_heads;
  const int32_t longest = *std::max_element(view.positions + run.begin, view.positions + run.end) + 1;
  const int64_t block_floats = head_dim * kBlockTokens;
  std::vector<const float*> keys, values;
  for (int64_t i = 0; i * kBlockTokens < longest; ++i) {
    const int64_t at = (view.Block(run.begin, i) * kv_heads + kv_head) * block_floats;
    keys.push_back(cache.keys.const_data_ptr<float>() + at);
    values.push_back(cache.values.const_data_ptr<float>() + at);
  }
  std::vector<AttendItem> items;
  for (int64_t row = run.begin; row < run.end; ++row) {
    for (int64_t g = 0; g < group; ++g) {
      const int64_t at = (row * heads + kv_head * group + g) * head_dim;
      items.push_back({q.const_data_ptr<float>() + at, out.mutable_data_ptr<float>() + at, view.positions[row] + 1});
    }
  }
  std::vector<float> scratch(AttendScratchFloats(longest));
  Attend({keys.data(), values.data(), static_cast<int32_t>(head_dim), 1.0f / std::sqrt(static_cast<float>(head_dim))},
         items.data(), static_cast<int64_t>(items.size()), scratch.data());
}

}  // namespace

void WriteKvCpu(const at::Tensor& k, const at::Tensor& v, const PagedRows& rows, PagedKv& cache) {
  TRIPTYCH_CHECK(k.is_contiguous() && v.is_contiguous() && k.size(1) == cache.keys.size(1));
  const View view(rows);
  const int64_t kv_heads = k.size(1), head_dim = k.size(2), block_floats = head_dim * kBlockTokens;
  const float *from_k = k.const_data_ptr<float>(), *from_v = v.const_data_ptr<float>();
  float *const keys = cache.keys.mutable_data_ptr<float>(), *const values = cache.values.mutable_data_ptr<float>();
  for (int64_t row = 0; row < k.size(0); ++row) {
    const int64_t block = view.Block(row, view.positions[row] / kBlockTokens), slot = view.positions[row] % kBlockTokens;
    for (int64_t head = 0; head < kv_heads; ++head, from_k += head_dim, from_v += head_dim) {
      const int64_t at = (block * kv_heads + head) * block_floats;
      for (int64_t d = 0; d < head_dim; ++d) keys[at + d * kBlockTokens + slot] = from_k[d];
      std::copy_n(from_v, head_dim, values + at + slot * head_dim);
    }
  }
}

at::Tensor PagedAttentionCpu(const at::Tensor& q, const PagedKv& cache, const PagedRows& rows) {
  TRIPTYCH_CHECK(q.is_contiguous() && q.dim() == 3 && q.size(1) % cache.keys.size(1) == 0);
  at::Tensor out = at::empty_like(q);
  const View view(rows);
  const std::vector<RowRun> runs = RunsOf(view.sequence, q.size(0));
  const int64_t kv_heads = cache.keys.size(1);
  ParallelFor(static_cast<int64_t>(runs.size()) * kv_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) AttendRun(q, cache, view, runs[i / kv_heads], i % kv_heads, out);
  });
  return out;
}

}  // namespace triptych::kernels
