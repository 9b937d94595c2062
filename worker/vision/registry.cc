#include "worker/vision/registry.h"

#include "common/model_card/internlm_xcomposer2/config.h"
#include "worker/vision/xcomposer2_encoder.h"

namespace triptych::vision {
namespace {

ClipVitSizes TowerSizes(const internlm_xcomposer2::Config& config) {
  return {.width = config.vision.hidden_size,
          .intermediate = config.vision.intermediate_size,
          .num_layers = config.vision.num_layers,
          .num_heads = config.vision.num_heads,
          .image_size = config.img_size,
          .patch_size = config.vision.patch_size,
          .norm_eps = config.vision.layer_norm_eps};
}

}  // namespace

StatusOr<std::unique_ptr<VisionEncoder>> LoadVisionEncoder(const std::string& model_dir,
                                                           const weights::WeightLoader& loader,
                                                           at::Device device,
                                                           at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const internlm_xcomposer2::Config config, internlm_xcomposer2::LoadConfig(model_dir));
  return XComposer2Encoder::Load(loader, TowerSizes(config), config.hidden_size, device, dtype);
}

}  // namespace triptych::vision
