#include "worker/vision/registry.h"

#include "common/model_card/internlm_xcomposer2/config.h"
#include "worker/vision/tiled_encoder.h"
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
  if (!config.tiles()) return XComposer2Encoder::Load(loader, TowerSizes(config), config.hidden_size, device, dtype);
  const TiledEncoder::Options options{.sizes = TowerSizes(config),
                                      .rule = config.tiling(),
                                      .hidden_size = config.hidden_size,
                                      .default_max_tiles = config.DefaultMaxTiles(/*num_images=*/1)};
  return TiledEncoder::Load(loader, options, device, dtype);
}

}  // namespace triptych::vision
