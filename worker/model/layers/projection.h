#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/model/layers/row_run.h"

namespace triptych::model::layers {

// A linear layer inside a decoder's layer, with whatever its family adds to it. Immutable once
// loaded.
class Projection {
 public:
  virtual ~Projection() = default;
  // [n, in] -> [n, out]: this rank's features where the outputs are split, the sum over ranks where
  // the inputs are. `low_rank` are the rows among the n to which a family may add something.
  virtual at::Tensor Forward(const at::Tensor& x, const LowRankRows& low_rank) const = 0;
};

// What a Load function gave, as a projection of any kind.
template <typename T>
StatusOr<std::unique_ptr<Projection>> AsProjection(StatusOr<T> loaded) {
  if (!loaded.ok()) return loaded.status();
  return std::make_unique<T>(*std::move(loaded));
}

}  // namespace triptych::model::layers
