#pragma once

#include <ATen/core/Tensor.h>

#include "worker/engine/step_plan.h"

namespace triptych::model {

// A step as one rank's tensors, made from a StepPlan by shard/step_input. All sequences' tokens are
// concatenated in plan order.
struct StepInput {
  const engine::StepPlan* plan = nullptr;  // for block tables, positions and copies
  // [image tokens of this step, hidden] float32, in order; on rank 0 only, else undefined.
  at::Tensor image_rows;
};

// One rank's part of a model: weights and KV cache on one device. Rank thread only; throws on
// device errors.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  // Runs the step, writes keys and values, and gives the logits of the tokens that want them, in
  // plan order (every token of a kAll sequence, the last of a kLast one): [wanted, vocab] float32,
  // on every rank.
  virtual at::Tensor Forward(const StepInput& input) = 0;
};

}  // namespace triptych::model
