#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/engine/step_plan.h"
#include "worker/model/model_runner.h"
#include "worker/shard/embedding_source.h"

namespace triptych::shard {

// A plan with what rank 0 adds to it.
struct PreparedStep {
  model::StepInput input;
  // One for each sequence: empty, or why its picture rows could not be had. They are zero then, so
  // that the others' step goes on, and the sequence gets no token.
  std::vector<std::string> errors;
};

// Gathers the picture rows of `plan`, which must outlive the result. Rank 0; `source` is asked only
// when the plan has picture rows.
PreparedStep PrepareStep(const engine::StepPlan& plan,
                         EmbeddingSource* source,
                         int64_t hidden_size);

}  // namespace triptych::shard
