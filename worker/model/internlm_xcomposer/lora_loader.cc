#include "worker/model/internlm_xcomposer/lora_loader.h"

#include <optional>
#include <utility>

#include "common/check.h"
#include "worker/kernels/placed.h"

namespace triptych::model::internlm_xcomposer {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kA = ".lora_A.weight";
constexpr std::string_view kB = ".lora_B.weight";

std::string_view WithoutEnding(std::string_view name, std::string_view ending) {
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : std::string_view();
}

}  // namespace

LoraLoader::LoraLoader(const weights::WeightLoader* loader, LoraSpec spec)
    : loader_(*loader), spec_(std::move(spec)) {}

std::string_view LoraLoader::LayerWithPair(std::string_view name) const {
  const std::string_view layer = WithoutEnding(name, kWeight);
  return spec_.layers.contains(layer) ? layer : std::string_view();
}

StatusOr<kernels::PackedLinear> LoraLoader::LoadA(const std::string& layer,
                                                  int64_t in,
                                                  weights::Slice columns) const {
  const absl::MutexLock lock(&mutex_);
  if (columns.is_all() && layer == last_layer_) return last_a_;
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor a,
                            loader_.Load(layer + std::string(kA), {spec_.rank, in}, columns));
  const at::Tensor transposed = kernels::Placed(a, spec_.device, at::kFloat).t().contiguous();
  auto packed = kernels::PackedLinear::Pack(transposed, std::nullopt, spec_.device);
  if (columns.is_all()) {
    last_layer_ = layer;
    last_a_ = packed;
  }
  return packed;
}

StatusOr<at::Tensor> LoraLoader::Load(std::string_view name,
                                      const std::vector<int64_t>& shape,
                                      weights::Slice slice) const {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weight, loader_.Load(name, shape, slice));
  const std::string layer(LayerWithPair(name));
  if (layer.empty()) return weight;
  TRIPTYCH_CHECK(shape.size() == 2);
  const weights::Slice rows = slice.dim == 0 ? slice : weights::Slice::All();
  const weights::Slice columns = slice.dim == 1 ? slice : weights::Slice::All();
  TRIPTYCH_ASSIGN_OR_RETURN(const kernels::PackedLinear a, LoadA(layer, shape[1], columns));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor b,
                            loader_.Load(layer + std::string(kB), {shape[0], spec_.rank}, rows));
  at::Tensor sum = a.Forward(kernels::Placed(b, spec_.device, at::kFloat));
  return sum.mul_(spec_.scale).add_(kernels::Placed(weight, spec_.device, at::kFloat));
}

std::vector<std::string> LoraLoader::Names() const {
  std::vector<std::string> names = loader_.Names();
  std::erase_if(names, [this](const std::string& name) {
    return spec_.layers.contains(WithoutEnding(name, kA)) ||
           spec_.layers.contains(WithoutEnding(name, kB));
  });
  return names;
}

}  // namespace triptych::model::internlm_xcomposer
