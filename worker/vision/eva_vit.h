#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/model_card/internlm_xcomposer/config.h"
#include "common/status.h"
#include "worker/vision/patch_embedding.h"
#include "worker/vision/vit_block.h"
#include "worker/vision/weight_reader.h"

namespace triptych::vision {

// EVA-ViT-g (EVA, arXiv 2211.07636) up to the output of its last block; there is no norm behind it,
// and the class token stays. Queries and values have biases, keys have none. Immutable; a tile's
// bits do not hang on the other tiles.
class EvaVit {
 public:
  // Tensors under `prefix`, "visual_encoder.".
  static StatusOr<EvaVit> Load(WeightReader& reader,
                               const std::string& prefix,
                               const internlm_xcomposer::VisionConfig& config);

  // [tiles, 3, side, side] -> [tiles, tokens, width], in the dtype of its weights.
  at::Tensor Forward(const at::Tensor& tiles) const;

 private:
  internlm_xcomposer::VisionConfig config_;
  PatchEmbedding embedding_;
  std::vector<VitBlock> blocks_;
};

}  // namespace triptych::vision
