#include "worker/vision/projector.h"

#include "worker/kernels/activation.h"

namespace triptych::vision {

StatusOr<Projector> Projector::Load(WeightReader& reader, const std::string& prefix, int64_t in, int64_t out) {
  return Load(reader, prefix + ".0", prefix + ".2", in, out);
}

StatusOr<Projector> Projector::Load(
    WeightReader& reader, const std::string& first, const std::string& second, int64_t in, int64_t out) {
  Projector projector;
  TRIPTYCH_ASSIGN_OR_RETURN(projector.first_, reader.Linear(first, in, out));
  TRIPTYCH_ASSIGN_OR_RETURN(projector.second_, reader.Linear(second, out, out));
  return projector;
}

at::Tensor Projector::Forward(const at::Tensor& features) const {
  return second_.Forward(kernels::Gelu(first_.Forward(features)));
}

}  // namespace triptych::vision
