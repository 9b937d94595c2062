#pragma once

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/model_card/model_card.h"
#include "common/status.h"
#include "triptych/internal/v1/cluster.pb.h"
#include "worker/model/registry.h"
#include "worker/process/config.h"
#include "worker/quantization/scheme.h"
#include "worker/weights/weight_loader.h"

namespace triptych::worker {

// What a process knows of its model before it loads it.
struct ModelParts {
  std::string dir;
  std::unique_ptr<ModelCard> card;
  std::unique_ptr<weights::WeightLoader> loader;
  model::ModelFacts facts;
  internal::v1::ModelIdentity identity;
  at::DeviceType device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  // of activations
  quantization::Scheme quantization;  // that the configuration wants of a decoder's linear layers
};

// Of activations.
at::ScalarType DtypeOf(const WorkerConfig& config);

// Opens the checkpoint, or what stands for it with load_format dummy, and takes its digest, which reads every byte. kFailedPrecondition names file and key or tensor, and devices that
// this build or machine does not have.
StatusOr<ModelParts> OpenModel(const WorkerConfig& config);

}  // namespace triptych::worker
