#include "worker/vision/clip_vit.h"

#include <cmath>
#include <optional>
#include <utility>

#include <ATen/ops/cat.h>

#include "worker/kernels/activation.h"
#include "worker/kernels/attention.h"
#include "worker/kernels/norm.h"
#include "worker/vision/position_table.h"

namespace triptych::vision {
namespace {

constexpr int64_t kColors = 3;

// [tiles, 3, side, side] -> [tiles * tokens, 3 * patch * patch], patches row by row.
at::Tensor CutPatches(const at::Tensor& tiles, int64_t grid, int64_t patch) {
  return tiles.view({tiles.size(0), kColors, grid, patch, grid, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({tiles.size(0) * grid * grid, kColors * patch * patch});
}

bool IsGridTable(int64_t rows) {
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(rows - 1))));
  return rows > 1 && side * side == rows - 1;
}

}  // namespace

Status ClipVitSizes::Validate() const {
  const bool positive = width > 0 && intermediate > 0 && num_layers > 0 && num_heads > 0 && patch_size > 0;
  if (!positive || image_size < patch_size || image_size % patch_size != 0 || width % num_heads != 0) {
    return FailedPrecondition(
        "vision tower of width {}, {} heads, {} layers, tiles of {} and patches of {}: heads must divide the width, "
        "patches the tiles", width, num_heads, num_layers, image_size, patch_size);
  }
  return OkStatus();
}

StatusOr<ClipVit::Norm> ClipVit::LoadNorm(WeightReader& reader, const std::string& prefix, int64_t width) {
  Norm norm;
  TRIPTYCH_ASSIGN_OR_RETURN(norm.weight, reader.Tensor(prefix + ".weight", {width}));
  TRIPTYCH_ASSIGN_OR_RETURN(norm.bias, reader.Tensor(prefix + ".bias", {width}));
  return norm;
}

StatusOr<ClipVit::Block> ClipVit::LoadBlock(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes) {
  const int64_t width = sizes.width;
  const std::string attention = prefix + ".self_attn.";
  Block block;
  TRIPTYCH_ASSIGN_OR_RETURN(block.norm1, LoadNorm(reader, prefix + ".layer_norm1", width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.norm2, LoadNorm(reader, prefix + ".layer_norm2", width));
  TRIPTYCH_ASSIGN_OR_RETURN(
      block.qkv, reader.FusedLinear({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.out, reader.Linear(attention + "out_proj", width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.fc1, reader.Linear(prefix + ".mlp.fc1", width, sizes.intermediate));
  TRIPTYCH_ASSIGN_OR_RETURN(block.fc2, reader.Linear(prefix + ".mlp.fc2", sizes.intermediate, width));
  return block;
}

Status ClipVit::LoadEmbeddings(WeightReader& reader, const std::string& prefix) {
  const int64_t width = sizes_.width, patch = sizes_.patch_size;
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor kernel,
                            reader.Float(prefix + "patch_embedding.weight", {width, kColors, patch, patch}));
  patches_ = kernels::PackedLinear::Pack(kernel.reshape({width, kColors * patch * patch}).to(dtype_),
                                         std::nullopt, device_);
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor class_token, reader.Tensor(prefix + "class_embedding", {width}));
  class_token_ = class_token.view({1, 1, width});

  const std::string table_name = prefix + "position_embedding.weight";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<int64_t> stored, reader.Shape(table_name));
  const int64_t rows = stored.empty() ? 0 : stored[0];
  const int64_t wanted_rows = sizes_.stretch_positions && IsGridTable(rows) ? rows : sizes_.tokens() + 1;
  TRIPTYCH_ASSIGN_OR_RETURN(at::Tensor table, reader.Float(table_name, {wanted_rows, width}));
  if (rows != sizes_.tokens() + 1) table = StretchPositions(table, sizes_.grid());
  positions_ = table.to(device_, dtype_);
  return OkStatus();
}

StatusOr<ClipVit> ClipVit::Load(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes) {
  TRIPTYCH_RETURN_IF_ERROR(sizes.Validate());
  ClipVit vit;
  vit.sizes_ = sizes;
  vit.dtype_ = reader.dtype();
  vit.device_ = reader.device();
  TRIPTYCH_RETURN_IF_ERROR(vit.LoadEmbeddings(reader, prefix + "embeddings."));
  TRIPTYCH_ASSIGN_OR_RETURN(vit.pre_norm_, LoadNorm(reader, prefix + "pre_layrnorm", sizes.width));  // their spelling
  for (int64_t layer = 0; layer < sizes.num_layers; ++layer) {
    const std::string name = fmt::format("{}encoder.layers.{}", prefix, layer);
    TRIPTYCH_ASSIGN_OR_RETURN(Block block, LoadBlock(reader, name, sizes));
    vit.blocks_.push_back(std::move(block));
  }
  return vit;
}

at::Tensor ClipVit::Normalize(const at::Tensor& x, const Norm& norm) const {
  return kernels::LayerNorm(x, norm.weight, norm.bias, sizes_.norm_eps);
}

// -> [tiles * (1 + tokens), width]
at::Tensor ClipVit::Embed(const at::Tensor& tiles) const {
  const int64_t num_tiles = tiles.size(0), width = sizes_.width;
  const at::Tensor pixels = tiles.to(device_, dtype_).contiguous();
  const at::Tensor patches = patches_.Forward(CutPatches(pixels, sizes_.grid(), sizes_.patch_size));
  at::Tensor x = at::cat({class_token_.expand({num_tiles, 1, width}), patches.view({num_tiles, sizes_.tokens(), width})}, 1);
  x.add_(positions_);
  return Normalize(x.view({-1, width}), pre_norm_);
}

at::Tensor ClipVit::Attend(const at::Tensor& x, const Block& block, int64_t tiles) const {
  const int64_t width = sizes_.width, heads = sizes_.num_heads;
  const at::Tensor qkv = block.qkv.Forward(x).view({tiles, sizes_.tokens() + 1, 3, heads, width / heads});
  const auto part = [&qkv](int64_t index) { return qkv.select(2, index).contiguous(); };
  const at::Tensor mixed = kernels::DenseAttention(part(0), part(1), part(2));
  return block.out.Forward(mixed.reshape({-1, width}));
}

at::Tensor ClipVit::Forward(const at::Tensor& tiles) const {
  const int64_t num_tiles = tiles.size(0);
  at::Tensor x = Embed(tiles);
  for (const Block& block : blocks_) {
    x.add_(Attend(Normalize(x, block.norm1), block, num_tiles));
    const at::Tensor inner = kernels::QuickGelu(block.fc1.Forward(Normalize(x, block.norm2)));
    x.add_(block.fc2.Forward(inner));
  }
  return x.view({num_tiles, sizes_.tokens() + 1, sizes_.width}).narrow(1, 1, sizes_.tokens()).contiguous();
}

}  // namespace triptych::vision
