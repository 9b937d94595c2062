#include "worker/vision/llava_encoder.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "worker/vision/clip_pixels.h"
#include "worker/vision/pil_resize.h"

namespace triptych::vision {
namespace {

constexpr char kTower[] = "vision_tower.vision_model.";
constexpr char kProjector[] = "multi_modal_projector.";

ClipVitSizes TowerSizes(const llava::Config& config) {
  return {.width = config.vision.hidden_size,
          .intermediate = config.vision.intermediate_size,
          .num_layers = config.tower_layers,
          .num_heads = config.vision.num_heads,
          .image_size = config.vision.image_size,
          .patch_size = config.vision.patch_size,
          .norm_eps = config.vision.layer_norm_eps};
}

}  // namespace

StatusOr<std::unique_ptr<VisionEncoder>> LlavaEncoder::Load(const weights::WeightLoader& loader,
                                                            const llava::Config& config,
                                                            const llava::Preprocessing& preprocessing,
                                                            at::Device device,
                                                            at::ScalarType dtype) {
  const std::string projector_name = kProjector;
  WeightReader reader(&loader, device, dtype);
  TRIPTYCH_ASSIGN_OR_RETURN(ClipVit vit, ClipVit::Load(reader, kTower, TowerSizes(config)));
  TRIPTYCH_ASSIGN_OR_RETURN(Projector projector,
                            Projector::Load(reader, projector_name + "linear_1", projector_name + "linear_2",
                                            config.vision.hidden_size, config.text.hidden_size));
  for (int32_t i = config.tower_layers; i < config.vision.num_layers; ++i) {  // they are stored, and run for nothing
    reader.Skip(fmt::format("{}encoder.layers.{}.", kTower, i));
  }
  TRIPTYCH_RETURN_IF_ERROR(reader.CheckAllRead({"vision_tower.", kProjector}));
  return std::unique_ptr<VisionEncoder>(
      new LlavaEncoder(std::move(vit), std::move(projector), preprocessing, config.text.hidden_size));
}

LlavaEncoder::LlavaEncoder(ClipVit vit, Projector projector, const llava::Preprocessing& preprocessing, int32_t hidden_size)
    : vit_(std::move(vit)), projector_(std::move(projector)), preprocessing_(preprocessing), hidden_size_(hidden_size) {}

StatusOr<PreparedImage> LlavaEncoder::Prepare(const at::Tensor& rgb, int32_t max_tiles) const {
  if (max_tiles < 0) return InvalidArgument("max_tiles is {}; it must not be negative", max_tiles);
  const at::Tensor tile = NormalizeForClip(ResizeAndCrop(rgb, preprocessing_));
  return PreparedImage{.tiles = tile.unsqueeze(0), .rows = static_cast<int32_t>(vit_.sizes().tokens())};
}

at::Tensor LlavaEncoder::Tower(const at::Tensor& tiles) { return vit_.Forward(tiles); }

at::Tensor LlavaEncoder::Project(const PreparedImage& image, const at::Tensor& features) {
  TRIPTYCH_CHECK(features.size(0) * features.size(1) == image.rows);
  const at::Tensor rows = projector_.Forward(features.reshape({image.rows, features.size(2)}));
  return rows.to(at::kCPU, at::kFloat).contiguous();
}

at::Tensor ResizeAndCrop(const at::Tensor& rgb, const llava::Preprocessing& preprocessing) {
  const int64_t height = rgb.size(0), width = rgb.size(1);
  const int64_t edge = preprocessing.shortest_edge, crop = preprocessing.crop_size;
  const int64_t longer = edge * std::max(height, width) / std::min(height, width);
  const ImageSize size{static_cast<int32_t>(width <= height ? edge : longer), static_cast<int32_t>(width <= height ? longer : edge)};
  const at::Tensor resized = PilResize(rgb, size, ResizeFilter::kBicubic);
  return resized.narrow(0, (size.height - crop) / 2, crop).narrow(1, (size.width - crop) / 2, crop).contiguous();
}

StatusOr<std::unique_ptr<VisionEncoder>> LoadLlavaEncoder(const std::string& model_dir,
                                                          const weights::WeightLoader& loader,
                                                          at::Device device,
                                                          at::ScalarType dtype) {
  TRIPTYCH_ASSIGN_OR_RETURN(const llava::Config config, llava::LoadConfig(model_dir));
  TRIPTYCH_ASSIGN_OR_RETURN(const llava::Preprocessing preprocessing,
                            llava::LoadPreprocessing(model_dir, config.vision.image_size));
  return LlavaEncoder::Load(loader, config, preprocessing, device, dtype);
}

}  // namespace triptych::vision
