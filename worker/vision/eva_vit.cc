#include "worker/vision/eva_vit.h"

#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include "fmt/format.h"
#include "worker/kernels/activation.h"

namespace triptych::vision {
namespace {

using internlm_xcomposer::VisionConfig;

StatusOr<kernels::PackedLinear> LoadQkv(WeightReader& reader,
                                        const std::string& prefix,
                                        int64_t width) {
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor weight,
                            reader.Float(prefix + "qkv.weight", {3 * width, width}));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor queries, reader.Float(prefix + "q_bias", {width}));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor values, reader.Float(prefix + "v_bias", {width}));
  const at::Tensor bias = at::cat({queries, at::zeros_like(queries), values});
  return kernels::PackedLinear::Pack(
      weight.to(reader.dtype()), bias.to(reader.dtype()), reader.device());
}

StatusOr<VitBlock> LoadBlock(WeightReader& reader,
                             const std::string& prefix,
                             const VisionConfig& config) {
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  const double eps = config.layer_norm_eps;
  VitBlock block;
  TRIPTYCH_ASSIGN_OR_RETURN(block.norm1, LayerNorm::Load(reader, prefix + "norm1", width, eps));
  TRIPTYCH_ASSIGN_OR_RETURN(block.norm2, LayerNorm::Load(reader, prefix + "norm2", width, eps));
  TRIPTYCH_ASSIGN_OR_RETURN(block.qkv, LoadQkv(reader, prefix + "attn.", width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.out, reader.Linear(prefix + "attn.proj", width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(block.fc1, reader.Linear(prefix + "mlp.fc1", width, inner));
  TRIPTYCH_ASSIGN_OR_RETURN(block.fc2, reader.Linear(prefix + "mlp.fc2", inner, width));
  return block;
}

StatusOr<PatchEmbedding> LoadEmbedding(WeightReader& reader,
                                       const std::string& prefix,
                                       const VisionConfig& config) {
  const int64_t width = config.hidden_size, patch = config.patch_size;
  PatchEmbedding::Weights weights;
  TRIPTYCH_ASSIGN_OR_RETURN(
      weights.kernel, reader.Float(prefix + "patch_embed.proj.weight", {width, 3, patch, patch}));
  TRIPTYCH_ASSIGN_OR_RETURN(weights.bias, reader.Float(prefix + "patch_embed.proj.bias", {width}));
  TRIPTYCH_ASSIGN_OR_RETURN(weights.class_token, reader.Float(prefix + "cls_token", {1, 1, width}));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor positions,
                            reader.Float(prefix + "pos_embed", {1, config.tokens(), width}));
  weights.positions = positions[0];
  return PatchEmbedding(weights, reader.device(), reader.dtype());
}

}  // namespace

StatusOr<EvaVit> EvaVit::Load(WeightReader& reader,
                              const std::string& prefix,
                              const VisionConfig& config) {
  EvaVit vit;
  vit.config_ = config;
  TRIPTYCH_ASSIGN_OR_RETURN(vit.embedding_, LoadEmbedding(reader, prefix, config));
  for (int32_t i = 0; i < config.num_layers; ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(VitBlock block,
                              LoadBlock(reader, fmt::format("{}blocks.{}.", prefix, i), config));
    vit.blocks_.push_back(std::move(block));
  }
  return vit;
}

at::Tensor EvaVit::Forward(const at::Tensor& tiles) const {
  const int64_t num_tiles = tiles.size(0);
  at::Tensor x = embedding_.Forward(tiles);
  for (const VitBlock& block : blocks_) {
    block.Forward(x, num_tiles, config_.num_heads, kernels::Gelu);
  }
  return x.view({num_tiles, config_.tokens(), config_.hidden_size});
}

}  // namespace triptych::vision
