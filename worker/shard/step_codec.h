#pragma once

#include <string>
#include <string_view>

#include "common/status.h"
#include "worker/engine/step_plan.h"

namespace triptych::shard {

// A plan as bytes for followers: version, step, copies, and of each sequence the id, place, adapter,
// tokens, blocks and which logits are wanted. Not how tokens are chosen and where pictures come from: that
// is rank 0's alone, in the leader's process. Little-endian, lists with their length in front.
std::string EncodePlan(const engine::StepPlan& plan);

// kInvalidArgument for bytes of another version, cut short, too long, or with lengths that they
// cannot hold: nothing is allocated by a length alone. Ids and positions are not judged
// (plan_bounds.h).
StatusOr<engine::StepPlan> DecodePlan(std::string_view bytes);

}  // namespace triptych::shard
