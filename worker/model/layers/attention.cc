#include "worker/model/layers/attention.h"

#include <utility>

#include "worker/kernels/rotary.h"

namespace triptych::model::layers {

Attention::Attention(std::unique_ptr<Projection> qkv,
                     std::unique_ptr<Projection> out,
                     HeadSplit heads,
                     int64_t head_dim,
                     kernels::PagedKv cache)
    : qkv_(std::move(qkv)),
      out_(std::move(out)),
      heads_(std::move(heads)),
      head_dim_(head_dim),
      cache_(std::move(cache)) {}

at::Tensor Attention::Forward(const at::Tensor& x, const StepTensors& step) {
  const int64_t n = x.size(0);
  const int64_t group = heads_.group;
  const at::Tensor qkv =
      qkv_->Forward(x, step.low_rank).view({n, heads_.kv_heads, group + 2, head_dim_});
  at::Tensor q = qkv.narrow(2, 0, group).contiguous().view({n, heads_.query_heads(), head_dim_});
  at::Tensor k = qkv.select(2, group).contiguous();
  const at::Tensor v = qkv.select(2, group + 1).contiguous();
  kernels::ApplyRotary(q, step.rotary.cos, step.rotary.sin);
  kernels::ApplyRotary(k, step.rotary.cos, step.rotary.sin);
  kernels::WriteKv(k, v, step.rows, cache_);
  const at::Tensor mixed = kernels::PagedAttention(q, cache_, step.rows);
  return out_->Forward(mixed.view({n, heads_.query_heads() * head_dim_}), step.low_rank);
}

}  // namespace triptych::model::layers
