#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/model_runner.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model {

// What the wiring needs to know of a model before any rank has loaded it.
struct ModelFacts {
  std::string family;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t context_tokens = 0;
  // See engine::EngineOptions::rotary_trained_tokens.
  int64_t rotary_trained_tokens = 0;
  // Of one block, all layers, on a rank with the most kv heads. Every rank has as many blocks;
  // those with fewer kv heads take less memory for them.
  int64_t kv_block_bytes = 0;
};

// From the checkpoint's config.json alone. kFailedPrecondition names file and key, or says why
// `tensor_parallel` ranks cannot share the model.
StatusOr<ModelFacts> DescribeModel(const std::string& model_dir,
                                   int tensor_parallel,
                                   at::ScalarType dtype);

// One rank's runner of the model in `model_dir`, by the family in its config.json. Rank thread.
StatusOr<std::unique_ptr<ModelRunner>> MakeModelRunner(const std::string& model_dir,
                                                       const weights::WeightLoader& loader,
                                                       int64_t num_blocks,
                                                       const layers::RankContext& context);

}  // namespace triptych::model
