#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/model/layers/projection.h"
#include "worker/model/layers/tp_linear.h"

namespace triptych::model::layers {

// A linear layer to which nothing is added: every row is treated alike.
class PlainLinear final : public Projection {
 public:
  // Output features split: this rank has the rows of `parts`, which may belong to several stored
  // layers of one input, in that order.
  static StatusOr<PlainLinear> LoadColumn(const weights::WeightLoader& loader,
                                          const std::vector<LinearRows>& parts,
                                          const RankContext& context);
  // Input features split by stored columns.
  static StatusOr<PlainLinear> LoadRow(const weights::WeightLoader& loader,
                                       const LinearSpec& spec,
                                       Range columns,
                                       const RankContext& context);

  at::Tensor Forward(const at::Tensor& x, const LowRankRows& low_rank) const override;

 private:
  PlainLinear(TpLinear linear, comm::Communicator* reduce);

  TpLinear linear_;
  comm::Communicator* reduce_;  // null when nothing is to be summed
};

}  // namespace triptych::model::layers
