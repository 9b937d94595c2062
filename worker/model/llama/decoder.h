#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/model_card/decoder_config.h"
#include "common/status.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/model_facts.h"
#include "worker/model/model_runner.h"
#include "worker/weights/weight_loader.h"

// LLaMA in the layout of transformers: queries, keys and values are layers of their own.
namespace triptych::model::llama {

// See model::DescribeModel.
StatusOr<ModelFacts> Describe(const std::string& model_dir,
                              int tensor_parallel,
                              at::ScalarType dtype);

// See model::MakeModelRunner; kFailedPrecondition also for tensors that nobody reads.
StatusOr<std::unique_ptr<ModelRunner>> MakeRunner(const std::string& model_dir,
                                                  const weights::WeightLoader& loader,
                                                  int64_t num_blocks,
                                                  const layers::RankContext& context);

// The decoder whose tensors stand under `prefix`, for families that hold a LLaMA beside other parts;
// `foreign`: beginnings of the names of those parts.
StatusOr<std::unique_ptr<ModelRunner>> LoadDecoder(const weights::WeightLoader& loader,
                                                   const DecoderConfig& config,
                                                   const std::string& prefix,
                                                   const std::vector<std::string>& foreign,
                                                   int64_t num_blocks,
                                                   const layers::RankContext& context);

}  // namespace triptych::model::llama
