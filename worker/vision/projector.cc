#include "worker/vision/projector.h"

#include "worker/kernels/activation.h"

namespace triptych::vision {

StatusOr<Projector> Projector::Load(WeightReader& reader, const std::string& prefix, int64_t in, int64_t out) {
  Projector projector;
  TRIPTYCH_ASSIGN_OR_RETURN(projector.first_, reader.Linear(prefix + ".0", in, out));
  TRIPTYCH_ASSIGN_OR_RETURN(projector.second_, reader.Linear(prefix + ".2", out, out));
  return projector;
}

at::Tensor Projector::Forward(const at::Tensor& features) const {
  return second_.Forward(kernels::Gelu(first_.Forward(features)));
}

}  // namespace triptych::vision
