#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/model_facts.h"
#include "worker/model/model_runner.h"
#include "worker/weights/weight_loader.h"

// InternLM as InternLM-XComposer has it: a LLaMA with biases in attention, under
// "internlm_model.", to some of whose layers low-rank pairs are added (lora_loader.h).
namespace triptych::model::internlm_xcomposer {

// See model::DescribeModel.
StatusOr<ModelFacts> Describe(const std::string& model_dir,
                              int tensor_parallel,
                              at::ScalarType dtype);

// See model::MakeModelRunner; kFailedPrecondition also for tensors that nobody reads.
StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context);

}  // namespace triptych::model::internlm_xcomposer
