#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/engine/step_plan.h"

namespace triptych::shard {

// What a step gave: chosen tokens, beam candidates and prompt scores out of its logits [wanted,
// vocab] (float32, on the CPU, rows as ModelRunner::Forward orders them). A sequence with an error
// from before, or whose own numbers are bad, gets an error and nothing else; the others are
// untouched by it. Rows are spread over the calling thread's team.
engine::StepResult MakeStepResult(const engine::StepPlan& plan,
                                  const at::Tensor& logits,
                                  const std::vector<std::string>& errors);

}  // namespace triptych::shard
