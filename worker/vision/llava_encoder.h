#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/model_card/llava/config.h"
#include "worker/vision/clip_vit.h"
#include "worker/vision/projector.h"
#include "worker/vision/vision_encoder.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {

// LLaVA 1.5: the shorter side of a picture is resized to the tower's, and a square is cut out of the middle (what its
// preprocessor_config.json says; the original code pads to a square instead). Features are those of an inner block, by default the last but
// one, without the class token; each patch gives one row.
class LlavaEncoder final : public VisionEncoder {
 public:
  // kFailedPrecondition names a tensor that is missing, of another shape, or part of no encoder.
  static StatusOr<std::unique_ptr<VisionEncoder>> Load(const weights::WeightLoader& loader,
                                                       const llava::Config& config,
                                                       const llava::Preprocessing& preprocessing,
                                                       at::Device device,
                                                       at::ScalarType dtype);

  StatusOr<PreparedImage> Prepare(const at::Tensor& rgb, int32_t max_tiles) const override;
  at::Tensor Tower(const at::Tensor& tiles) override;
  at::Tensor Project(const PreparedImage& image, const at::Tensor& features) override;
  int32_t hidden_size() const override { return hidden_size_; }

 private:
  LlavaEncoder(ClipVit vit, Projector projector, const llava::Preprocessing& preprocessing, int32_t hidden_size);

  const ClipVit vit_;
  const Projector projector_;
  const llava::Preprocessing preprocessing_;
  const int32_t hidden_size_;
};

// [height, width, 3] uint8 RGB -> [crop, crop, 3] uint8: resized (the longer side's length cut to whole pixels), then the middle of it, the upper
// left one where two are as near.
at::Tensor ResizeAndCrop(const at::Tensor& rgb, const llava::Preprocessing& preprocessing);

// The encoder of the checkpoint in `model_dir`, by its config.json and preprocessor_config.json.
StatusOr<std::unique_ptr<VisionEncoder>> LoadLlavaEncoder(const std::string& model_dir,
                                                          const weights::WeightLoader& loader,
                                                          at::Device device,
                                                          at::ScalarType dtype);

}  // namespace triptych::vision
