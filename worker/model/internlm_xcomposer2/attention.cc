#include "worker/model/internlm_xcomposer2/attention.h"

#include <utility>

#include "worker/kernels/rotary.h"

namespace triptych::model::internlm_xcomposer2 {

Attention::Attention(layers::PloraLinear wqkv,
                     layers::PloraLinear wo,
                     layers::HeadSplit heads,
                     int64_t head_dim,
                     kernels::PagedKv cache)
    : wqkv_(std::move(wqkv)),
      wo_(std::move(wo)),
      heads_(std::move(heads)),
      head_dim_(head_dim),
      cache_(std::move(cache)) {}

StatusOr<Attention> Attention::Load(const weights::WeightLoader& loader,
                                    const LayerNames& names,
                                    const Config& config,
                                    int64_t num_blocks,
                                    const layers::RankContext& context) {
  const int64_t head_dim = config.head_dim();
  const int64_t packed = (config.num_heads + 2 * config.num_kv_heads) * head_dim;
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::HeadSplit heads,
      layers::SplitHeads(
          config.num_heads, config.num_kv_heads, head_dim, context.rank(), context.size()));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::PloraLinear wqkv,
      layers::PloraLinear::LoadColumn(
          loader,
          {{names.wqkv, config.hidden_size, packed, config.bias}, AdapterPairsOf(config)},
          heads.qkv_rows,
          context));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::PloraLinear wo,
      layers::PloraLinear::LoadRow(
          loader,
          {{names.wo, config.num_heads * head_dim, config.hidden_size, config.bias},
           AdapterPairsOf(config)},
          heads.query_features,
          context));
  kernels::PagedKv cache = kernels::PagedKv::Allocate(
      num_blocks, heads.kv_heads, head_dim, context.dtype, context.device);
  return Attention(std::move(wqkv), std::move(wo), std::move(heads), head_dim, std::move(cache));
}

at::Tensor Attention::Forward(const at::Tensor& x, const StepTensors& step) {
  const int64_t n = x.size(0);
  const int64_t group = heads_.group;
  // Packed [kv heads, group queries + key + value, d].
  const at::Tensor qkv =
      wqkv_.Forward(x, step.low_rank).view({n, heads_.kv_heads, group + 2, head_dim_});
  at::Tensor q = qkv.narrow(2, 0, group).contiguous().view({n, heads_.query_heads(), head_dim_});
  at::Tensor k = qkv.select(2, group).contiguous();
  const at::Tensor v = qkv.select(2, group + 1).contiguous();
  kernels::ApplyRotary(q, step.rotary.cos, step.rotary.sin);
  kernels::ApplyRotary(k, step.rotary.cos, step.rotary.sin);
  kernels::WriteKv(k, v, step.rows, cache_);
  const at::Tensor mixed = kernels::PagedAttention(q, cache_, step.rows);
  return wo_.Forward(mixed.view({n, heads_.query_heads() * head_dim_}), step.low_rank);
}

}  // namespace triptych::model::internlm_xcomposer2
