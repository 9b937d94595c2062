#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/kernels/linear.h"
#include "worker/vision/weight_reader.h"

namespace triptych::vision {

// From tower features to the language model's rows: linear, GELU (erf), linear. Immutable.
class Projector {
 public:
  // `prefix`.0 and `prefix`.2.
  static StatusOr<Projector> Load(WeightReader& reader, const std::string& prefix, int64_t in, int64_t out);
  // The two layers by their names.
  static StatusOr<Projector> Load(WeightReader& reader, const std::string& first, const std::string& second, int64_t in, int64_t out);

  at::Tensor Forward(const at::Tensor& features) const;  // [n, in] -> [n, out]

 private:
  kernels::PackedLinear first_, second_;
};

}  // namespace triptych::vision
