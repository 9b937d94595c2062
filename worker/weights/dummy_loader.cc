#include "worker/weights/dummy_loader.h"

#include <cmath>

#include <ATen/ops/empty.h>

#include "fmt/ranges.h"
#include "xxhash.h"

namespace triptych::weights {
namespace {

constexpr float kSpread = 0.05f;  // of vectors
constexpr int kPerWord = 4;       // elements that one random word gives, of 16 bits each

// SplitMix64 (Steele, Lea, Flood 2014): its `index`th word, directly.
uint64_t RandomWord(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Uniform in [center - spread, center + spread].
struct Distribution {
  float center = 0;
  float spread = 0;
};

Distribution DistributionOf(std::string_view name, const std::vector<int64_t>& shape) {
  if (shape.size() < 2)
    return {.center = name.ends_with(".weight") ? 1.0f : 0.0f, .spread = kSpread};
  double inputs = 1;
  for (size_t i = 1; i < shape.size(); ++i) inputs *= static_cast<double>(shape[i]);
  return {.spread = static_cast<float>(std::sqrt(3 / inputs))};
}

// Elements [first, first + count) of the whole tensor.
void Fill(
    uint64_t seed, Distribution distribution, int64_t first, int64_t count, at::BFloat16* target) {
  constexpr float kHalf = 32767.5f;
  const float step = distribution.spread / kHalf;
  uint64_t word = 0;
  for (int64_t i = first; i < first + count; ++i) {
    if (i == first || i % kPerWord == 0)
      word = RandomWord(seed, static_cast<uint64_t>(i / kPerWord)) >> (16 * (i % kPerWord));
    const auto drawn = static_cast<float>(word & 0xffff) - kHalf;
    word >>= 16;
    *target++ = at::BFloat16(distribution.center + step * drawn);
  }
}

}  // namespace

StatusOr<at::Tensor> DummyLoader::Load(std::string_view name,
                                       const std::vector<int64_t>& shape,
                                       Slice slice) const {
  const auto known = shapes_.find(name);
  if (known != shapes_.end() && known->second != shape)
    return FailedPrecondition(
        "dummy weights: tensor '{}' has shape {}, wanted {}", name, known->second, shape);
  const int dim = slice.is_all() ? 0 : slice.dim;
  const int64_t extent = shape.empty() ? 1 : shape[static_cast<size_t>(dim)];
  const int64_t begin = slice.is_all() ? 0 : slice.begin;
  const int64_t end = slice.is_all() ? extent : slice.end;
  int64_t outer = 1, inner = 1;
  std::vector<int64_t> part_shape = shape;
  for (int i = 0; i < static_cast<int>(shape.size()); ++i) {
    if (i < dim) outer *= shape[i];
    if (i > dim) inner *= shape[i];
    if (i == dim) part_shape[i] = end - begin;
  }
  const bool is_empty = content_ == Content::kNone;
  at::Tensor part =
      at::empty(part_shape, at::dtype(at::kBFloat16).device(is_empty ? at::kMeta : at::kCPU));
  if (is_empty) return part;
  auto* target = part.mutable_data_ptr<at::BFloat16>();
  const uint64_t seed = XXH3_64bits(name.data(), name.size());
  const Distribution distribution = DistributionOf(name, shape);
  const int64_t run = (end - begin) * inner;
  for (int64_t i = 0; i < outer; ++i) {
    Fill(seed, distribution, (i * extent + begin) * inner, run, target + i * run);
  }
  return part;
}

StatusOr<at::Tensor> DummyLoader::LoadIntegers(std::string_view name,
                                               const std::vector<int64_t>&,
                                               Slice) const {
  return FailedPrecondition("dummy weights: tensor '{}' is quantised, which dummies are not", name);
}

StatusOr<std::vector<int64_t>> DummyLoader::Shape(std::string_view name) const {
  const auto known = shapes_.find(name);
  if (known != shapes_.end()) return known->second;
  return FailedPrecondition("dummy weights: tensor '{}' has no known shape", name);
}

}  // namespace triptych::weights
