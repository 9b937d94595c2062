#include "worker/kernels/attention.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/check.h"
#include "common/ids.h"
#include "worker/kernels/attend_cpu.h"
#include "worker/kernels/cpu_team.h"

namespace triptych::kernels {
namespace {

struct Shape {
  int64_t queries, keys, heads, head_dim;
  int64_t row() const { return heads * head_dim; }
};

// One head's keys or values, brought into the blocks that Attend reads.
struct HeadBlocks {
  std::vector<float> keys, values;
  std::vector<const float*> key_blocks, value_blocks;

  HeadBlocks(const float* k, const float* v, const Shape& s) {
    const int64_t blocks = (s.keys + kBlockTokens - 1) / kBlockTokens, size = kBlockTokens * s.head_dim;
    keys.assign(blocks * size, 0);
    values.assign(blocks * size, 0);
    for (int64_t j = 0; j < s.keys; ++j) {
      const int64_t block = j / kBlockTokens * size, slot = j % kBlockTokens, row = j * s.row();
      for (int64_t d = 0; d < s.head_dim; ++d) keys[block + d * kBlockTokens + slot] = k[row + d];
      std::copy_n(v + row, s.head_dim, values.begin() + block + slot * s.head_dim);
    }
    for (int64_t b = 0; b < blocks; ++b) {
      key_blocks.push_back(keys.data() + b * size);
      value_blocks.push_back(values.data() + b * size);
    }
  }
};

void AttendHead(const float* q, const float* k, const float* v, const Shape& s, float* out) {
  const HeadBlocks blocks(k, v, s);
  std::vector<AttendItem> items;
  for (int64_t i = 0; i < s.queries; ++i) {
    items.push_back({q + i * s.row(), out + i * s.row(), static_cast<int32_t>(s.keys)});
  }
  std::vector<float> scratch(AttendScratchFloats(s.keys));
  Attend({blocks.key_blocks.data(), blocks.value_blocks.data(), static_cast<int32_t>(s.head_dim),
          1.0f / std::sqrt(static_cast<float>(s.head_dim))},
         items.data(), s.queries, scratch.data());
}

}  // namespace

at::Tensor DenseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (!q.is_cpu()) {
    return at::scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).contiguous();
  }
  TRIPTYCH_CHECK(q.dim() == 4 && k.sizes() == v.sizes() && k.size(1) > 0);
  TRIPTYCH_CHECK(k.sizes() == at::IntArrayRef({q.size(0), k.size(1), q.size(2), q.size(3)}));
  const at::Tensor qc = q.contiguous(), kc = k.contiguous(), vc = v.contiguous();
  at::Tensor out = at::empty_like(qc);
  const Shape s{q.size(1), k.size(1), q.size(2), q.size(3)};
  ParallelFor(q.size(0) * s.heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t batch = i / s.heads * s.row(), head = i % s.heads * s.head_dim;
      const int64_t query = batch * s.queries + head, key = batch * s.keys + head;
      AttendHead(qc.const_data_ptr<float>() + query, kc.const_data_ptr<float>() + key, vc.const_data_ptr<float>() + key, s,
                 out.mutable_data_ptr<float>() + query);
    }
  });
  return out;
}

}  // namespace triptych::kernels
