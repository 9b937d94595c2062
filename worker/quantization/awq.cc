#include <ATen/ops/arange.h>

#include "worker/quantization/layer_slice.h"
#include "worker/quantization/layer_source.h"
#include "worker/quantization/packed_words.h"

namespace triptych::quantization {

StatusOr<kernels::QuantizedMatrix> LoadAwq(const weights::WeightLoader& loader,
                                           const Scheme& scheme,
                                           const StoredLayer& layer,
                                           weights::Slice slice) {
  const int64_t per = PerWord(scheme.bits);
  const int64_t group_size = scheme.InputsPerGroup(layer.in);
  const int64_t groups = scheme.NumGroups(layer.in);
  TRIPTYCH_RETURN_IF_ERROR(CheckFills(layer, "inputs", layer.in, group_size));
  TRIPTYCH_RETURN_IF_ERROR(CheckFills(layer, "outputs", layer.out, per));
  const LayerSlice part(layer, slice);
  const Span out_words = Cover(part.outs, per), used = Cover(part.ins, group_size);
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weights,
                            LoadInt32(loader,
                                      layer.name + ".qweight",
                                      {layer.in, layer.out / per},
                                      part.OfTable(part.ins, out_words)));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor zeros,
                            LoadInt32(loader,
                                      layer.name + ".qzeros",
                                      {groups, layer.out / per},
                                      part.OfTable(used, out_words)));
  TRIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor scales,
      loader.Load(
          layer.name + ".scales", {groups, layer.out}, part.OfTable(used, part.outs)));
  const auto unpack = [&](const at::Tensor& words) {
    return UnpackColumns(words, scheme.bits, kInterleaved)
        .narrow(1, part.outs.begin - out_words.begin * per, part.outs.size());
  };
  return kernels::QuantizedMatrix{
      .bits = scheme.bits,
      .codes = unpack(weights),
      .scales = scales.to(at::kFloat),
      .zeros = unpack(zeros),
      .group_of = at::arange(part.ins.begin, part.ins.end, at::kLong)
                      .floor_divide(group_size)
                      .sub(used.begin)
                      .to(at::kInt)};
}

}  // namespace triptych::quantization
