#include <ATen/TensorOperators.h>

#include "worker/quantization/layer_slice.h"
#include "worker/quantization/layer_source.h"
#include "worker/quantization/packed_words.h"

namespace triptych::quantization {
namespace {

// The groups of the slice's inputs, [ins] int32, checked to be below `groups`.
StatusOr<at::Tensor> LoadGroups(const weights::WeightLoader& loader,
                                const StoredLayer& layer,
                                Span ins,
                                int64_t groups) {
  const std::string name = layer.name + ".g_idx";
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor group_of,
                            LoadInt32(loader, name, {layer.in}, {0, ins.begin, ins.end}));
  const auto least = group_of.min().item<int64_t>(), greatest = group_of.max().item<int64_t>();
  if (least >= 0 && greatest < groups) return group_of;
  return FailedPrecondition("tensor '{}' names group {}, allowed are 0 to {}",
                            name,
                            least < 0 ? least : greatest,
                            groups - 1);
}

}  // namespace

StatusOr<kernels::QuantizedMatrix> LoadGptq(const weights::WeightLoader& loader,
                                            const Scheme& scheme,
                                            const StoredLayer& layer,
                                            weights::Slice slice) {
  const int64_t per = PerWord(scheme.bits);
  TRIPTYCH_RETURN_IF_ERROR(CheckFills(layer, "inputs", layer.in, per));
  TRIPTYCH_RETURN_IF_ERROR(CheckFills(layer, "outputs", layer.out, per));
  const LayerSlice part(layer, slice);
  const Span in_words = Cover(part.ins, per), out_words = Cover(part.outs, per);
  const int64_t groups = scheme.NumGroups(layer.in);
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weights,
                            LoadInt32(loader,
                                      layer.name + ".qweight",
                                      {layer.in / per, layer.out},
                                      part.OfTable(in_words, part.outs)));
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor group_of, LoadGroups(loader, layer, part.ins, groups));
  // With activation ordering a slice of inputs may use any groups.
  Span used = {0, groups};
  if (part.dim == 1) used = {group_of.min().item<int64_t>(), group_of.max().item<int64_t>() + 1};
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor zero_words,
                            LoadInt32(loader,
                                      layer.name + ".qzeros",
                                      {groups, layer.out / per},
                                      part.OfTable(used, out_words)));
  TRIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor scales,
      loader.Load(
          layer.name + ".scales", {groups, layer.out}, part.OfTable(used, part.outs)));
  at::Tensor zeros = UnpackColumns(zero_words, scheme.bits, kInOrder)
                         .narrow(1, part.outs.begin - out_words.begin * per, part.outs.size());
  if (scheme.zeros_less_one) zeros = zeros.add(1).bitwise_and((1 << scheme.bits) - 1);
  return kernels::QuantizedMatrix{
      .bits = scheme.bits,
      .codes = UnpackRows(weights, scheme.bits)
                   .narrow(0, part.ins.begin - in_words.begin * per, part.ins.size()),
      .scales = scales.to(at::kFloat),
      .zeros = zeros,
      .group_of = group_of.sub(used.begin)};
}

}  // namespace triptych::quantization
