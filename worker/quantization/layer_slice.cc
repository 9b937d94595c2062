#include "worker/quantization/layer_slice.h"

namespace triptych::quantization {

Status CheckFills(const StoredLayer& layer, const char* what, int64_t count, int64_t unit) {
  if (count % unit == 0) return OkStatus();
  return FailedPrecondition("quantised layer '{}': its {} {} are no multiple of {}",
                            layer.name,
                            count,
                            what,
                            unit);
}

StatusOr<at::Tensor> LoadInt32(const weights::WeightLoader& loader,
                               const std::string& name,
                               const std::vector<int64_t>& shape,
                               weights::Slice slice) {
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor loaded, loader.LoadIntegers(name, shape, slice));
  if (loaded.scalar_type() == at::kInt) return loaded;
  return FailedPrecondition("tensor '{}' has numbers of {} bytes, wanted int32",
                            name,
                            loaded.element_size());
}

}  // namespace triptych::quantization
