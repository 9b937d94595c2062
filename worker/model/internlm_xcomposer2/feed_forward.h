#pragma once

#include <ATen/core/Tensor.h>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/status.h"
#include "worker/model/internlm_xcomposer2/weight_names.h"
#include "worker/model/layers/plora_linear.h"

namespace triptych::model::internlm_xcomposer2 {

using triptych::internlm_xcomposer2::Config;

// One rank's part of a layer's feed-forward network: w2(silu(w1 x) * w3 x).
class FeedForward {
 public:
  static StatusOr<FeedForward> Load(const weights::WeightLoader& loader,
                                    const LayerNames& names,
                                    const Config& config,
                                    const layers::RankContext& context);

  // x [n, hidden] -> [n, hidden], summed over ranks.
  at::Tensor Forward(const at::Tensor& x, const layers::LowRankRows& rows) const;

 private:
  FeedForward(layers::PloraLinear w1, layers::PloraLinear w3, layers::PloraLinear w2);

  layers::PloraLinear w1_;  // gate
  layers::PloraLinear w3_;  // up
  layers::PloraLinear w2_;  // down
};

}  // namespace triptych::model::internlm_xcomposer2
