#include "worker/vision/patch_embedding.h"

#include <ATen/ops/cat.h>

#include "common/check.h"
#include "worker/kernels/placed.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;

// [tiles, 3, side, side] -> [tiles * patches, 3 * patch * patch], patches row by row.
at::Tensor CutPatches(const at::Tensor& tiles, int64_t patch) {
  const int64_t grid = tiles.size(2) / patch;
  return tiles.view({tiles.size(0), kColors, grid, patch, grid, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({tiles.size(0) * grid * grid, kColors * patch * patch});
}

}  // namespace

PatchEmbedding::PatchEmbedding(const Weights& weights, at::Device device, at::ScalarType dtype)
    : patch_size_(weights.kernel.size(2)),
      class_token_(kernels::Placed(weights.class_token, device, dtype).view({1, 1, -1})),
      positions_(kernels::Placed(weights.positions, device, dtype)) {
  const at::Tensor kernel = weights.kernel.flatten(1).to(dtype);
  std::optional<at::Tensor> bias;
  if (weights.bias) bias = weights.bias->to(dtype);
  patches_ = kernels::PackedLinear::Pack(kernel, bias, device);
}

at::Tensor PatchEmbedding::Forward(const at::Tensor& tiles) const {
  const int64_t num_tiles = tiles.size(0);
  const int64_t width = positions_.size(1);
  const at::Tensor pixels = tiles.to(positions_.device(), positions_.scalar_type()).contiguous();
  const at::Tensor patches = patches_.Forward(CutPatches(pixels, patch_size_));
  const at::Tensor class_tokens = class_token_.expand({num_tiles, 1, width});
  at::Tensor x = at::cat({class_tokens, patches.view({num_tiles, -1, width})}, 1);
  TRIPTYCH_CHECK(x.size(1) == positions_.size(0));
  return x.add_(positions_).view({-1, width});
}

}  // namespace triptych::vision
