#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/model_facts.h"
#include "worker/model/model_runner.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model {

// From the checkpoint's config.json alone. kFailedPrecondition names file and key, or says why
// `tensor_parallel` ranks cannot share the model.
StatusOr<ModelFacts> DescribeModel(const std::string& model_dir,
                                   int tensor_parallel,
                                   at::ScalarType dtype);

// One rank's runner of the model in `model_dir`, by the family in its config.json. Rank thread.
// The context's quantization is what is wanted; a checkpoint's own comes before it (see
// quantization::ChooseScheme).
StatusOr<std::unique_ptr<ModelRunner>> MakeModelRunner(const std::string& model_dir,
                                                       const weights::WeightLoader& loader,
                                                       int64_t num_blocks,
                                                       const layers::RankContext& context);

}  // namespace triptych::model
