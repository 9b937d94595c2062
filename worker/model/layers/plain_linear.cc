#include "worker/model/layers/plain_linear.h"

#include <utility>

namespace triptych::model::layers {

PlainLinear::PlainLinear(TpLinear linear, comm::Communicator* reduce)
    : linear_(std::move(linear)), reduce_(reduce) {}

StatusOr<PlainLinear> PlainLinear::LoadColumn(const weights::WeightLoader& loader,
                                              const std::vector<LinearRows>& parts,
                                              const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear linear, TpLinear::LoadJoined(loader, parts, context));
  return PlainLinear(std::move(linear), /*reduce=*/nullptr);
}

StatusOr<PlainLinear> PlainLinear::LoadRow(const weights::WeightLoader& loader,
                                           const LinearSpec& spec,
                                           Range columns,
                                           const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(TpLinear linear, TpLinear::LoadRow(loader, spec, columns, context));
  return PlainLinear(std::move(linear), context.communicator);
}

at::Tensor PlainLinear::Forward(const at::Tensor& x, const LowRankRows&) const {
  at::Tensor y = linear_.Forward(x);
  if (reduce_ != nullptr) reduce_->AllReduceSum(y);
  return y;
}

}  // namespace triptych::model::layers
