#include "worker/model/layers/tp_linear.h"

#include <optional>

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "worker/kernels/placed.h"
#include "worker/quantization/layer_source.h"
#include "worker/quantization/plain_names.h"

namespace triptych::model::layers {
namespace {

// `tensor` (".weight" or ".bias") of all parts, put together.
StatusOr<at::Tensor> LoadRows(const weights::WeightLoader& loader,
                              const std::vector<LinearRows>& parts,
                              const char* tensor,
                              const RankContext& context) {
  std::vector<at::Tensor> loaded;
  for (const auto& [spec, rows] : parts) {
    const bool is_bias = tensor[1] == 'b';
    const std::vector<int64_t> shape =
        is_bias ? std::vector{spec.out} : std::vector{spec.out, spec.in};
    TRIPTYCH_ASSIGN_OR_RETURN(
        at::Tensor part,
        LoadWeight(loader, spec.name + tensor, shape, {0, rows.begin, rows.end}, context));
    loaded.push_back(std::move(part));
  }
  return loaded.size() == 1 ? loaded.front() : at::cat(loaded);
}

// Where a checkpoint is quantised, some of its layers may not be: those are stored as ever.
bool IsQuantized(const weights::WeightLoader& loader,
                 const LinearSpec& spec,
                 const RankContext& context) {
  const quantization::Scheme& scheme = context.quantization;
  if (scheme.is_stored()) return !loader.Has(spec.name + ".weight");
  return scheme.method != quantization::Method::kNone;
}

// A slice of a layer in whole numbers.
struct QuantizedPart {
  kernels::QuantizedMatrix matrix;
  std::optional<at::Tensor> bias;
};

StatusOr<QuantizedPart> LoadPart(const weights::WeightLoader& loader,
                                 const LinearSpec& spec,
                                 weights::Slice slice,
                                 const RankContext& context) {
  const quantization::Scheme& scheme = context.quantization;
  const std::string name =
      scheme.is_stored() ? quantization::QuantizedName(loader, spec.name) : spec.name;
  QuantizedPart part;
  TRIPTYCH_ASSIGN_OR_RETURN(
      part.matrix,
      quantization::LoadQuantized(loader, scheme, {name, spec.in, spec.out}, slice));
  const bool has_bias = spec.has_bias || (scheme.is_stored() && loader.Has(name + ".bias"));
  const bool splits_inputs = slice.dim == 1;
  if (!has_bias || (splits_inputs && context.rank() != 0)) return part;
  TRIPTYCH_ASSIGN_OR_RETURN(part.bias,
                            LoadWeight(loader,
                                       name + ".bias",
                                       {spec.out},
                                       splits_inputs ? weights::Slice::All() : slice,
                                       context));
  return part;
}

kernels::QuantizedLinear Pack(const std::vector<QuantizedPart>& parts, at::Device device) {
  std::vector<kernels::QuantizedMatrix> matrices;
  std::vector<at::Tensor> biases;
  bool has_bias = false;
  for (const auto& [matrix, bias] : parts) {
    matrices.push_back(matrix);
    has_bias |= bias.has_value();
    biases.push_back(bias.value_or(at::zeros({matrix.out()}, at::device(device))));
  }
  return kernels::QuantizedLinear::Pack(
      kernels::JoinOutputs(matrices),
      has_bias ? std::optional(at::cat(biases)) : std::nullopt,
      device);
}

}  // namespace

StatusOr<TpLinear> TpLinear::LoadColumn(const weights::WeightLoader& loader,
                                        const LinearSpec& spec,
                                        const std::vector<Range>& rows,
                                        const RankContext& context) {
  std::vector<LinearRows> parts;
  for (const Range& range : rows) parts.push_back({spec, range});
  return LoadJoined(loader, parts, context);
}

StatusOr<TpLinear> TpLinear::LoadJoined(const weights::WeightLoader& loader,
                                        const std::vector<LinearRows>& parts,
                                        const RankContext& context) {
  if (IsQuantized(loader, parts.front().spec, context)) {
    return LoadQuantized(loader, parts, context);
  }
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weight, LoadRows(loader, parts, ".weight", context));
  std::optional<at::Tensor> bias;
  if (parts.front().spec.has_bias) {
    TRIPTYCH_ASSIGN_OR_RETURN(bias, LoadRows(loader, parts, ".bias", context));
  }
  return TpLinear({kernels::PackedLinear::Pack(weight, bias, context.device)});
}

StatusOr<TpLinear> TpLinear::LoadRow(const weights::WeightLoader& loader,
                                     const LinearSpec& spec,
                                     Range columns,
                                     const RankContext& context) {
  const weights::Slice slice = {1, columns.begin, columns.end};
  if (IsQuantized(loader, spec, context)) {
    TRIPTYCH_ASSIGN_OR_RETURN(const QuantizedPart part, LoadPart(loader, spec, slice, context));
    return TpLinear({Pack({part}, context.device)});
  }
  TRIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor weight,
      LoadWeight(loader, spec.name + ".weight", {spec.out, spec.in}, slice, context));
  std::optional<at::Tensor> bias;
  if (spec.has_bias && context.rank() == 0) {
    TRIPTYCH_ASSIGN_OR_RETURN(
        bias, LoadWeight(loader, spec.name + ".bias", {spec.out}, weights::Slice::All(), context));
  }
  return TpLinear({kernels::PackedLinear::Pack(weight, bias, context.device)});
}

StatusOr<TpLinear> TpLinear::LoadReplicated(const weights::WeightLoader& loader,
                                            const LinearSpec& spec,
                                            const RankContext& context) {
  return LoadColumn(loader, spec, {{0, spec.out}}, context);
}

// Stored layers of one input share their groups unless activation ordering put their inputs in
// orders of their own: neighbours that do are packed as one.
StatusOr<TpLinear> TpLinear::LoadQuantized(const weights::WeightLoader& loader,
                                           const std::vector<LinearRows>& parts,
                                           const RankContext& context) {
  std::vector<Packed> packed;
  std::vector<QuantizedPart> joined;
  for (const auto& [spec, rows] : parts) {
    if (!IsQuantized(loader, spec, context)) {
      return FailedPrecondition(
          "layers '{}' and '{}' have one input and are packed as one: both must be quantised, or "
          "none",
          parts.front().spec.name,
          spec.name);
    }
    TRIPTYCH_ASSIGN_OR_RETURN(QuantizedPart part,
                              LoadPart(loader, spec, {0, rows.begin, rows.end}, context));
    if (!joined.empty() && !at::equal(part.matrix.group_of, joined.front().matrix.group_of)) {
      packed.emplace_back(Pack(joined, context.device));
      joined.clear();
    }
    joined.push_back(std::move(part));
  }
  packed.emplace_back(Pack(joined, context.device));
  return TpLinear(std::move(packed));
}

at::Tensor TpLinear::Forward(const at::Tensor& x) const {
  std::vector<at::Tensor> outputs;
  for (const Packed& packed : packed_) {
    outputs.push_back(std::visit([&x](const auto& linear) { return linear.Forward(x); }, packed));
  }
  return outputs.size() == 1 ? outputs.front() : at::cat(outputs, 1);
}

StatusOr<at::Tensor> LoadWeight(const weights::WeightLoader& loader,
                                const std::string& name,
                                const std::vector<int64_t>& shape,
                                weights::Slice slice,
                                const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor stored, loader.Load(name, shape, slice));
  if (!context.device.is_cpu()) return stored.to(context.device, context.dtype);
  return stored.scalar_type() == at::kHalf ? stored.to(at::kFloat) : stored;
}

StatusOr<at::Tensor> LoadVector(const weights::WeightLoader& loader,
                                const std::string& name,
                                int64_t size,
                                const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor stored,
                            loader.Load(name, {size}, weights::Slice::All()));
  return kernels::Placed(stored, context.device, context.dtype);
}

}  // namespace triptych::model::layers
