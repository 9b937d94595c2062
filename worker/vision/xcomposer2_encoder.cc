#include "worker/vision/xcomposer2_encoder.h"

#include <utility>

#include "common/check.h"
#include "common/model_card/internlm_xcomposer2/config.h"
#include "worker/vision/clip_pixels.h"
#include "worker/vision/tiled_encoder.h"

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

StatusOr<std::unique_ptr<VisionEncoder>> XComposer2Encoder::Load(const weights::WeightLoader& loader,
                                                                 const ClipVitSizes& sizes,
                                                                 int64_t hidden_size,
                                                                 at::Device device,
                                                                 at::ScalarType dtype) {
  WeightReader reader(&loader, device, dtype);
  TRIPTYCH_ASSIGN_OR_RETURN(ClipVit vit, ClipVit::Load(reader, "vit.vision_tower.vision_model.", sizes));
  TRIPTYCH_ASSIGN_OR_RETURN(Projector projector, Projector::Load(reader, "vision_proj", sizes.width, hidden_size));
  TRIPTYCH_RETURN_IF_ERROR(reader.CheckAllRead({"vit.", "vision_proj.", "plora_"}));
  return std::unique_ptr<VisionEncoder>(new XComposer2Encoder(std::move(vit), std::move(projector), hidden_size));
}

XComposer2Encoder::XComposer2Encoder(ClipVit vit, Projector projector, int64_t hidden_size)
    : vit_(std::move(vit)), projector_(std::move(projector)), hidden_size_(hidden_size) {}

StatusOr<PreparedImage> XComposer2Encoder::Prepare(const at::Tensor& rgb, int32_t max_tiles) const {
  if (max_tiles < 0) return InvalidArgument("max_tiles is {}; it must not be negative", max_tiles);
  const auto side = static_cast<int32_t>(vit_.sizes().image_size);
  return PreparedImage{.tiles = SquashForClip(rgb, side), .rows = static_cast<int32_t>(vit_.sizes().tokens())};
}

at::Tensor XComposer2Encoder::Tower(const at::Tensor& tiles) { return vit_.Forward(tiles); }

at::Tensor XComposer2Encoder::Project(const PreparedImage& image, const at::Tensor& features) {
  TRIPTYCH_CHECK(features.size(0) * features.size(1) == image.rows);
  const at::Tensor rows = projector_.Forward(features.reshape({image.rows, features.size(2)}));
  return rows.to(at::kCPU, at::kFloat).contiguous();
}

StatusOr<std::unique_ptr<VisionEncoder>> LoadXComposer2Encoder(const std::string& model_dir,
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
