#include "worker/quantization/layer_source.h"

#include "common/check.h"

namespace triptych::quantization {

StatusOr<kernels::QuantizedMatrix> LoadQuantized(const weights::WeightLoader& loader,
                                                 const Scheme& scheme,
                                                 const StoredLayer& layer,
                                                 weights::Slice slice) {
  switch (scheme.method) {
    case Method::kGptq:
      return LoadGptq(loader, scheme, layer, slice);
    case Method::kAwq:
      return LoadAwq(loader, scheme, layer, slice);
    case Method::kRound:
      return LoadRounded(loader, scheme, layer, slice);
    case Method::kNone:
      break;
  }
  TRIPTYCH_CHECK(false);
  return Internal("a layer without a scheme");
}

}  // namespace triptych::quantization
