#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/kernels/linear.h"
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
  struct Norm {
    at::Tensor weight, bias;  // [width]
  };
  struct Block {
    Norm norm1, norm2;
    kernels::PackedLinear qkv, out, fc1, fc2;
  };

  static StatusOr<Norm> LoadNorm(WeightReader& reader, const std::string& prefix, int64_t width);
  static StatusOr<Block> LoadBlock(WeightReader& reader, const std::string& prefix, const ClipVitSizes& sizes);
  Status LoadEmbeddings(WeightReader& reader, const std::string& prefix);
  at::Tensor Embed(const at::Tensor& tiles) const;
  at::Tensor Normalize(const at::Tensor& x, const Norm& norm) const;
  at::Tensor Attend(const at::Tensor& x, const Block& block, int64_t tiles) const;

  ClipVitSizes sizes_;
  at::ScalarType dtype_ = at::kFloat;
  at::Device device_ = at::kCPU;
  kernels::PackedLinear patches_;  // the convolution, as each patch is met once
  at::Tensor class_token_;         // [1, 1, width]
  at::Tensor positions_;           // [1 + tokens, width]
  Norm pre_norm_;
  std::vector<Block> blocks_;
};

}  // namespace triptych::vision
