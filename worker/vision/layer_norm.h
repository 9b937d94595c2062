#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/vision/weight_reader.h"

namespace triptych::vision {

// A layer norm as a checkpoint has it: `prefix`.weight and `prefix`.bias. Immutable.
class LayerNorm {
 public:
  static StatusOr<LayerNorm> Load(WeightReader& reader,
                                  const std::string& prefix,
                                  int64_t width,
                                  double eps);

  at::Tensor Forward(const at::Tensor& x) const;  // [n, width], row by row

 private:
  at::Tensor weight_, bias_;  // [width]
  double eps_ = 0;
};

}  // namespace triptych::vision
