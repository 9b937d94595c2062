#include "worker/vision/layer_norm.h"

#include "worker/kernels/norm.h"

namespace triptych::vision {

StatusOr<LayerNorm> LayerNorm::Load(WeightReader& reader,
                                    const std::string& prefix,
                                    int64_t width,
                                    double eps) {
  LayerNorm norm;
  norm.eps_ = eps;
  TRIPTYCH_ASSIGN_OR_RETURN(norm.weight_, reader.Tensor(prefix + ".weight", {width}));
  TRIPTYCH_ASSIGN_OR_RETURN(norm.bias_, reader.Tensor(prefix + ".bias", {width}));
  return norm;
}

at::Tensor LayerNorm::Forward(const at::Tensor& x) const {
  return kernels::LayerNorm(x, weight_, bias_, eps_);
}

}  // namespace triptych::vision
