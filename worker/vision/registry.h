#pragma once

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/vision/vision_encoder.h"
#include "worker/weights/weight_loader.h"

namespace triptych::vision {

// The encoder of the model in `model_dir`, by its config.json, on `device`, in `dtype` (float32 on the CPU). kFailedPrecondition names file and key,
// or tensor and the shape wanted.
StatusOr<std::unique_ptr<VisionEncoder>> LoadVisionEncoder(const std::string& model_dir,
                                                           const weights::WeightLoader& loader,
                                                           at::Device device,
                                                           at::ScalarType dtype = at::kFloat);

}  // namespace triptych::vision
