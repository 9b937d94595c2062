#include <algorithm>

#include <ATen/ops/isfinite.h>

#include "worker/quantization/layer_slice.h"
#include "worker/quantization/layer_source.h"

namespace triptych::quantization {
namespace {

constexpr int64_t kRowsAtOnce = 512;

StatusOr<kernels::QuantizedMatrix> RoundRows(const at::Tensor& rows,
                                             const Scheme& scheme,
                                             const std::string& name) {
  const at::Tensor wide = rows.to(at::kFloat);
  if (!wide.is_meta() && !at::isfinite(wide).all().item<bool>()) {
    return FailedPrecondition(
        "tensor '{}' has numbers that are not finite: they cannot be rounded to {} bits",
        name,
        scheme.bits);
  }
  return kernels::RoundToNearest(wide, scheme.bits, scheme.InputsPerGroup(wide.size(1)));
}

}  // namespace

StatusOr<kernels::QuantizedMatrix> LoadRounded(const weights::WeightLoader& loader,
                                               const Scheme& scheme,
                                               const StoredLayer& layer,
                                               weights::Slice slice) {
  const std::string name = layer.name + ".weight";
  const std::vector<int64_t> shape = {layer.out, layer.in};
  const LayerSlice part(layer, slice);
  const int64_t group_size = scheme.InputsPerGroup(layer.in);
  // Whole groups, as their scales hang on all their inputs.
  const Span groups = Cover(part.ins, group_size);
  const Span ins = {groups.begin * group_size, std::min(groups.end * group_size, layer.in)};
  at::Tensor columns;
  if (part.dim == 1) {
    TRIPTYCH_ASSIGN_OR_RETURN(columns, loader.Load(name, shape, {1, ins.begin, ins.end}));
  }
  std::vector<kernels::QuantizedMatrix> parts;
  for (int64_t row = part.outs.begin; row < part.outs.end; row += kRowsAtOnce) {
    const int64_t end = std::min(row + kRowsAtOnce, part.outs.end);
    at::Tensor rows;
    if (part.dim == 1) {
      rows = columns.narrow(0, row, end - row);
    } else {
      TRIPTYCH_ASSIGN_OR_RETURN(rows, loader.Load(name, shape, {0, row, end}));
    }
    TRIPTYCH_ASSIGN_OR_RETURN(kernels::QuantizedMatrix rounded, RoundRows(rows, scheme, name));
    parts.push_back(std::move(rounded));
  }
  kernels::QuantizedMatrix matrix = kernels::JoinOutputs(parts);
  matrix.codes = matrix.codes.narrow(0, part.ins.begin - ins.begin, part.ins.size());
  matrix.group_of = matrix.group_of.narrow(0, part.ins.begin - ins.begin, part.ins.size());
  return matrix;
}

}  // namespace triptych::quantization
