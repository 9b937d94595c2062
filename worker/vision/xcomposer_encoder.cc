#include "worker/vision/xcomposer_encoder.h"

#include <utility>

#include <ATen/ops/cat.h>

#include "common/check.h"
#include "worker/vision/clip_pixels.h"

namespace triptych::vision {
namespace {

using internlm_xcomposer::Config;

constexpr double kNormEps = 1e-5;  // of ln_vision: torch's default, which the published code has

}  // namespace

StatusOr<std::unique_ptr<VisionEncoder>> XComposerEncoder::Load(const weights::WeightLoader& loader,
                                                                const Config& config,
                                                                at::Device device,
                                                                at::ScalarType dtype) {
  const int64_t width = config.vision.hidden_size, hidden = config.text.hidden_size;
  WeightReader reader(&loader, device, dtype);
  TRIPTYCH_ASSIGN_OR_RETURN(EvaVit vit, EvaVit::Load(reader, "visual_encoder.", config.vision));
  TRIPTYCH_ASSIGN_OR_RETURN(LayerNorm norm, LayerNorm::Load(reader, "ln_vision", width, kNormEps));
  TRIPTYCH_ASSIGN_OR_RETURN(PerceiveSampler sampler,
                            PerceiveSampler::Load(reader, config.sampler, width));
  std::unique_ptr<XComposerEncoder> encoder(
      new XComposerEncoder(config, std::move(vit), std::move(norm), std::move(sampler)));
  TRIPTYCH_ASSIGN_OR_RETURN(
      encoder->projection_, reader.Linear("internlm_proj", config.sampler.hidden_size, hidden));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor begin,
                            reader.Tensor("flag_image_start", {1, 1, hidden}));
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor end, reader.Tensor("flag_image_end", {1, 1, hidden}));
  encoder->begin_ = begin[0];
  encoder->end_ = end[0];
  TRIPTYCH_RETURN_IF_ERROR(reader.CheckAllRead(
      {"visual_encoder.", "ln_vision.", "Qformer.", "query_tokens", "internlm_proj.", "flag_"}));
  return std::unique_ptr<VisionEncoder>(std::move(encoder));
}

XComposerEncoder::XComposerEncoder(const Config& config, EvaVit vit, LayerNorm norm,
                                   PerceiveSampler sampler)
    : config_(config),
      vit_(std::move(vit)),
      norm_(std::move(norm)),
      sampler_(std::move(sampler)) {}

StatusOr<PreparedImage> XComposerEncoder::Prepare(const at::Tensor& rgb, int32_t max_tiles) const {
  if (max_tiles < 0) return InvalidArgument("max_tiles is {}; it must not be negative", max_tiles);
  return PreparedImage{.tiles = SquashForClip(rgb, config_.vision.image_size),
                       .rows = config_.image_rows()};
}

at::Tensor XComposerEncoder::Tower(const at::Tensor& tiles) { return vit_.Forward(tiles); }

at::Tensor XComposerEncoder::Sample(const at::Tensor& features) const {
  TRIPTYCH_CHECK(features.size(0) == 1);
  return sampler_.Forward(norm_.Forward(features[0].contiguous()));
}

at::Tensor XComposerEncoder::Project(const PreparedImage& image, const at::Tensor& features) {
  const at::Tensor rows = at::cat({begin_, projection_.Forward(Sample(features)), end_});
  TRIPTYCH_CHECK(rows.size(0) == image.rows);
  return rows.to(at::kCPU, at::kFloat);
}

StatusOr<std::unique_ptr<VisionEncoder>> LoadXComposerEncoder(const std::string& model_dir,
                                                              const weights::WeightLoader& loader,
                                                              at::Device device,
                                                              at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const Config config, internlm_xcomposer::LoadConfig(model_dir));
  return XComposerEncoder::Load(loader, config, device, dtype);
}

}  // namespace triptych::vision
