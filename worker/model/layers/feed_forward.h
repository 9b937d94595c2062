#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/model/layers/projection.h"

namespace triptych::model::layers {

// One rank's part of a layer's feed-forward network: down(silu(gate x) * up x).
class FeedForward {
 public:
  FeedForward(std::unique_ptr<Projection> gate,
              std::unique_ptr<Projection> up,
              std::unique_ptr<Projection> down);

  // x [n, hidden] -> [n, hidden], summed over ranks.
  at::Tensor Forward(const at::Tensor& x, const LowRankRows& low_rank) const;

 private:
  std::unique_ptr<Projection> gate_;
  std::unique_ptr<Projection> up_;
  std::unique_ptr<Projection> down_;
};

}  // namespace triptych::model::layers
