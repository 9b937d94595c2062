#pragma once

#include <cstdint>

#include "common/status.h"
#include "worker/engine/step_plan.h"

namespace triptych::shard {

// What a plan's numbers must stay within for a rank to compute with them.
struct PlanBounds {
  int32_t num_blocks = 0;
  int32_t vocab_size = 0;
  int32_t num_adapters = 1;  // the model without one included
};

// Every id, position and block of a plan is one that the ranks have. kInternal otherwise: engines
// do not plan such steps, and a peer that sends one is not followed.
Status CheckPlan(const engine::StepPlan& plan, const PlanBounds& bounds);

}  // namespace triptych::shard
