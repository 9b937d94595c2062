#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/vision/layer_norm.h"
#include "worker/vision/patch_embedding.h"
#include "worker/vision/vit_block.h"
#include "worker/vision/weight_reader.h"

namespace triptych::vision {

struct ClipVitSizes {
  int64_t width = 1024;
  int64_t intermediate = 4096;
  int64_t num_layers = 24;
  int64_t num_heads = 16;
  int64_t image_size = 336;  // side of a tile
  int64_t patch_size = 14;
  double norm_eps = 1e-5;
  bool stretch_positions = true;  // a stored position table of another grid is stretched; else it is refused

  int64_t grid() const { return image_size / patch_size; }
  int64_t tokens() const { return grid() * grid(); }  // of one tile, without the class token
  // kFailedPrecondition for sizes that no tower can have.
  Status Validate() const;
};

// CLIP's vision tower up to the output of its last block, before the final norm; the class token is dropped. Immutable; a tile's bits do not
// hang on the other tiles.
class ClipVit {
 public:
  // Tensors under `prefix`, for example "vit.vision_tower.vision_model.".
  static StatusOr<ClipVit> Load(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes);

  // [tiles, 3, side, side] -> [tiles, tokens, width], in the dtype of its weights.
  at::Tensor Forward(const at::Tensor& tiles) const;
  const ClipVitSizes& sizes() const { return sizes_; }

 private:
  ClipVitSizes sizes_;
  PatchEmbedding embedding_;
  LayerNorm pre_norm_;
  std::vector<VitBlock> blocks_;
};

}  // namespace triptych::vision
