#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/model_card/internlm_xcomposer/config.h"
#include "worker/kernels/linear.h"
#include "worker/vision/eva_vit.h"
#include "worker/vision/layer_norm.h"
#include "worker/vision/perceive_sampler.h"
#include "worker/vision/vision_encoder.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {

// InternLM-XComposer: every picture is squashed to the tower's square, whatever its shape. The
// tower's features, class token included, go through a norm, the perceive sampler and a linear
// layer; a learned row stands before and one behind what they give.
class XComposerEncoder final : public VisionEncoder {
 public:
  // kFailedPrecondition names a tensor that is missing, of another shape, or part of no encoder.
  static StatusOr<std::unique_ptr<VisionEncoder>> Load(const weights::WeightLoader& loader,
                                                       const internlm_xcomposer::Config& config,
                                                       at::Device device,
                                                       at::ScalarType dtype);

  StatusOr<PreparedImage> Prepare(const at::Tensor& rgb, int32_t max_tiles) const override;
  at::Tensor Tower(const at::Tensor& tiles) override;
  at::Tensor Project(const PreparedImage& image, const at::Tensor& features) override;
  int32_t hidden_size() const override { return config_.text.hidden_size; }

  // What the linear layer gets: [1, tokens, width] of one picture -> [queries, sampler's width].
  at::Tensor Sample(const at::Tensor& features) const;

 private:
  XComposerEncoder(const internlm_xcomposer::Config& config, EvaVit vit, LayerNorm norm,
                   PerceiveSampler sampler);

  const internlm_xcomposer::Config config_;
  const EvaVit vit_;
  const LayerNorm norm_;
  const PerceiveSampler sampler_;
  kernels::PackedLinear projection_;
  at::Tensor begin_, end_;  // [1, hidden]
};

// The encoder of the checkpoint in `model_dir`, by its config.json.
StatusOr<std::unique_ptr<VisionEncoder>> LoadXComposerEncoder(const std::string& model_dir,
                                                              const weights::WeightLoader& loader,
                                                              at::Device device,
                                                              at::ScalarType dtype);

}  // namespace triptych::vision
