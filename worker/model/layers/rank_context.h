#pragma once

#include <ATen/core/Tensor.h>

#include "worker/comm/communicator.h"
#include "worker/quantization/scheme.h"

namespace triptych::model::layers {

// Where one rank's layers live, whom they compute with, and how they keep their weights.
struct RankContext {
  comm::Communicator* communicator = nullptr;  // outlives the layers
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  // of activations: float32 on the CPU
  quantization::Scheme quantization;  // of linear layers

  int rank() const { return communicator->rank(); }
  int size() const { return communicator->size(); }
};

}  // namespace triptych::model::layers
