#pragma once

#include <span>

#include "worker/engine/step_plan.h"

namespace triptych::model {

// Changes scores as the request wants before a token is chosen, in transformers' order: repetition
// penalty, presence and frequency penalties, bias, then what may not be chosen becomes -infinity.
// Ids outside the scores are passed over.
void ProcessScores(const engine::SampleRequest& request, std::span<float> scores);

}  // namespace triptych::model
