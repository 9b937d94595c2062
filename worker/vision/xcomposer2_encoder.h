#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "worker/vision/clip_vit.h"
#include "worker/vision/projector.h"
#include "worker/vision/vision_encoder.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {

// InternLM-XComposer2 and XComposer2-VL: every picture is squashed to one tile of the tower's side, whatever its shape; each patch
// gives one row.
class XComposer2Encoder final : public VisionEncoder {
 public:
  // kFailedPrecondition names a tensor that is missing, of another shape, or part of no encoder.
  static StatusOr<std::unique_ptr<VisionEncoder>> Load(const weights::WeightLoader& loader,
                                                       const ClipVitSizes& sizes,
                                                       int64_t hidden_size,
                                                       at::Device device,
                                                       at::ScalarType dtype);

  StatusOr<PreparedImage> Prepare(const at::Tensor& rgb, int32_t max_tiles) const override;
  at::Tensor Tower(const at::Tensor& tiles) override;
  at::Tensor Project(const PreparedImage& image, const at::Tensor& features) override;
  int32_t hidden_size() const override { return static_cast<int32_t>(hidden_size_); }

 private:
  XComposer2Encoder(ClipVit vit, Projector projector, int64_t hidden_size);

  const ClipVit vit_;
  const Projector projector_;
  const int64_t hidden_size_;
};

// The encoder of the checkpoint in `model_dir`, sizes from its config.json: this one, or for 4KHD and 2.5 the one in tiled_encoder.h.
StatusOr<std::unique_ptr<VisionEncoder>> LoadXComposer2Encoder(const std::string& model_dir,
                                                               const weights::WeightLoader& loader,
                                                               at::Device device,
                                                               at::ScalarType dtype);

}  // namespace triptych::vision
