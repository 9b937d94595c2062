#include "worker/model/layers/tp_linear.h"

#include <optional>

#include <ATen/ops/cat.h>

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
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weight, LoadRows(loader, parts, ".weight", context));
  std::optional<at::Tensor> bias;
  if (parts.front().spec.has_bias) {
    TRIPTYCH_ASSIGN_OR_RETURN(bias, LoadRows(loader, parts, ".bias", context));
  }
  return TpLinear(kernels::PackedLinear::Pack(weight, bias, context.device));
}

StatusOr<TpLinear> TpLinear::LoadRow(const weights::WeightLoader& loader,
                                     const LinearSpec& spec,
                                     Range columns,
                                     const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weight,
                            LoadWeight(loader,
                                       spec.name + ".weight",
                                       {spec.out, spec.in},
                                       {1, columns.begin, columns.end},
                                       context));
  std::optional<at::Tensor> bias;
  if (spec.has_bias && context.rank() == 0) {
    TRIPTYCH_ASSIGN_OR_RETURN(
        bias, LoadWeight(loader, spec.name + ".bias", {spec.out}, weights::Slice::All(), context));
  }
  return TpLinear(kernels::PackedLinear::Pack(weight, bias, context.device));
}

StatusOr<TpLinear> TpLinear::LoadReplicated(const weights::WeightLoader& loader,
                                            const LinearSpec& spec,
                                            const RankContext& context) {
  return LoadColumn(loader, spec, {{0, spec.out}}, context);
}

StatusOr<at::Tensor> LoadWeight(const weights::WeightLoader& loader,
                                const std::string& name,
                                const std::vector<int64_t>& shape,
                                weights::Slice slice,
                                const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor stored, loader.Load(name, shape, slice));
  if (context.device.is_cuda()) return stored.to(context.device, context.dtype);
  return stored.scalar_type() == at::kHalf ? stored.to(at::kFloat) : stored;
}

StatusOr<at::Tensor> LoadVector(const weights::WeightLoader& loader,
                                const std::string& name,
                                int64_t size,
                                const RankContext& context) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor stored,
                            loader.Load(name, {size}, weights::Slice::All()));
  return stored.to(context.device, context.dtype);
}

}  // namespace triptych::model::layers
