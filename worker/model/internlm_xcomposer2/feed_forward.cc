#include "worker/model/internlm_xcomposer2/feed_forward.h"

#include <utility>

#include "worker/kernels/activation.h"

namespace triptych::model::internlm_xcomposer2 {

FeedForward::FeedForward(layers::PloraLinear w1, layers::PloraLinear w3, layers::PloraLinear w2)
    : w1_(std::move(w1)), w3_(std::move(w3)), w2_(std::move(w2)) {}

StatusOr<FeedForward> FeedForward::Load(const weights::WeightLoader& loader,
                                        const LayerNames& names,
                                        const Config& config,
                                        const layers::RankContext& context) {
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  const layers::AdapterPairs pairs = AdapterPairsOf(config);
  TRIPTYCH_RETURN_IF_ERROR(layers::CheckRanks(context.size(), inner, "intermediate features"));
  const layers::Range mine = layers::PartOf(inner, context.rank(), context.size());
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::PloraLinear w1,
      layers::PloraLinear::LoadColumn(loader, {{names.w1, hidden, inner}, pairs}, {mine}, context));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::PloraLinear w3,
      layers::PloraLinear::LoadColumn(loader, {{names.w3, hidden, inner}, pairs}, {mine}, context));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layers::PloraLinear w2,
      layers::PloraLinear::LoadRow(loader, {{names.w2, inner, hidden}, pairs}, mine, context));
  return FeedForward(std::move(w1), std::move(w3), std::move(w2));
}

at::Tensor FeedForward::Forward(const at::Tensor& x, const layers::LowRankRows& rows) const {
  const at::Tensor gate = w1_.Forward(x, rows);
  const at::Tensor up = w3_.Forward(x, rows);
  return w2_.Forward(kernels::SiluMul(gate, up), rows);
}

}  // namespace triptych::model::internlm_xcomposer2
