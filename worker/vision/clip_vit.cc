#include "worker/vision/clip_vit.h"

#include <cmath>
#include <utility>

#include "worker/kernels/activation.h"
#include "worker/vision/position_table.h"

namespace triptych::vision {
namespace {

bool IsGridTable(int64_t rows) {
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(rows - 1))));
  return rows > 1 && side * side == rows - 1;
}

StatusOr<VitBlock> LoadBlock(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes) {
  const int64_t width = sizes.width;
  const std::string attention = prefix + ".self_attn.";
  VitBlock block;
  TRIPTYCH_ASSIGN_OR_RETURN(block.norm1, LayerNorm::Load(reader, prefix + ".layer_norm1", width, sizes.norm_eps));
  TRIPTYCH_ASSIGN_OR_RETURN(block.norm2, LayerNorm::Load(reader, prefix + ".layer_norm2", width, sizes.norm_eps));
  TRIPTYCH_ASSIGN_OR_RETURN(
      block.qkv, reader.FusedLinear({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.out, reader.Linear(attention + "out_proj", width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.fc1, reader.Linear(prefix + ".mlp.fc1", width, sizes.intermediate));
  TRIPTYCH_ASSIGN_OR_RETURN(block.fc2, reader.Linear(prefix + ".mlp.fc2", sizes.intermediate, width));
  return block;
}

StatusOr<PatchEmbedding> LoadEmbedding(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes) {
  const int64_t width = sizes.width, patch = sizes.patch_size, places = sizes.tokens() + 1;
  PatchEmbedding::Weights weights;
  TRIPTYCH_ASSIGN_OR_RETURN(weights.kernel, reader.Float(prefix + "patch_embedding.weight", {width, 3, patch, patch}));
  TRIPTYCH_ASSIGN_OR_RETURN(weights.class_token, reader.Float(prefix + "class_embedding", {width}));
  const std::string table_name = prefix + "position_embedding.weight";
  TRIPTYCH_ASSIGN_OR_RETURN(const std::vector<int64_t> stored, reader.Shape(table_name));
  const int64_t rows = stored.empty() ? 0 : stored[0];
  const int64_t wanted_rows = sizes.stretch_positions && IsGridTable(rows) ? rows : places;
  TRIPTYCH_ASSIGN_OR_RETURN(weights.positions, reader.Float(table_name, {wanted_rows, width}));
  if (rows != places) weights.positions = StretchPositions(weights.positions, sizes.grid());
  return PatchEmbedding(weights, reader.device(), reader.dtype());
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

StatusOr<ClipVit> ClipVit::Load(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes) {
  TRIPTYCH_RETURN_IF_ERROR(sizes.Validate());
  ClipVit vit;
  vit.sizes_ = sizes;
  TRIPTYCH_ASSIGN_OR_RETURN(vit.embedding_, LoadEmbedding(reader, prefix + "embeddings.", sizes));
  const std::string pre_norm = prefix + "pre_layrnorm";  // their spelling
  TRIPTYCH_ASSIGN_OR_RETURN(vit.pre_norm_, LayerNorm::Load(reader, pre_norm, sizes.width, sizes.norm_eps));
  for (int64_t layer = 0; layer < sizes.num_layers; ++layer) {
    const std::string name = fmt::format("{}encoder.layers.{}", prefix, layer);
    TRIPTYCH_ASSIGN_OR_RETURN(VitBlock block, LoadBlock(reader, name, sizes));
    vit.blocks_.push_back(std::move(block));
  }
  return vit;
}

at::Tensor ClipVit::Forward(const at::Tensor& tiles) const {
  const int64_t num_tiles = tiles.size(0);
  at::Tensor x = pre_norm_.Forward(embedding_.Forward(tiles));
  for (const VitBlock& block : blocks_) block.Forward(x, num_tiles, sizes_.num_heads, kernels::QuickGelu);
  return x.view({num_tiles, sizes_.tokens() + 1, sizes_.width}).narrow(1, 1, sizes_.tokens()).contiguous();
}

}  // namespace triptych::vision
