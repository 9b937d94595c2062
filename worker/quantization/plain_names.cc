#include "worker/quantization/plain_names.h"

#include "common/string_map.h"

namespace triptych::quantization {
namespace {

constexpr std::string_view kCodes = ".qweight";
constexpr std::string_view kWrapper = ".linear";

std::string_view WithoutEnd(std::string_view name, std::string_view end) {
  return name.ends_with(end) ? name.substr(0, name.size() - end.size()) : name;
}

// Whether a quantised layer's reader reads the tensor, its codes apart.
bool BelongsTo(const StringSet& layers, std::string_view tensor, Method method) {
  for (const std::string_view end : {".qzeros", ".scales", ".bias", ".g_idx"}) {
    if (end == ".g_idx" && method != Method::kGptq) continue;
    if (tensor.ends_with(end) && layers.contains(WithoutEnd(tensor, end))) return true;
  }
  return false;
}

}  // namespace

StatusOr<std::unique_ptr<PlainNames>> PlainNames::Over(const weights::WeightLoader* loader,
                                                       const Scheme& scheme) {
  StringSet layers;
  for (const std::string& name : loader->Names()) {
    if (name.ends_with(kCodes)) layers.emplace(WithoutEnd(name, kCodes));
  }
  std::vector<std::string> names;
  for (const std::string& name : loader->Names()) {
    if (BelongsTo(layers, name, scheme.method)) continue;
    if (!name.ends_with(kCodes)) {
      names.push_back(name);
      continue;
    }
    const std::string_view layer = WithoutEnd(name, kCodes);
    names.push_back(fmt::format("{}.weight", WithoutEnd(layer, kWrapper)));
    if (loader->Has(names.back())) {
      return FailedPrecondition(
          "tensors '{}' and '{}': a layer is stored twice", names.back(), name);
    }
  }
  return std::unique_ptr<PlainNames>(new PlainNames(loader, std::move(names)));
}

std::string QuantizedName(const weights::WeightLoader& loader, const std::string& name) {
  const std::string wrapped = fmt::format("{}{}", name, kWrapper);
  return loader.Has(fmt::format("{}{}", wrapped, kCodes)) ? wrapped : name;
}

std::string FindQuantizedTensor(const weights::WeightLoader& loader) {
  for (std::string& name : loader.Names()) {
    if (name.ends_with(kCodes)) return std::move(name);
  }
  return {};
}

}  // namespace triptych::quantization
