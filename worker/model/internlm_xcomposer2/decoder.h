#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/status.h"
#include "worker/model/internlm_xcomposer2/attention.h"
#include "worker/model/internlm_xcomposer2/feed_forward.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/layers/vocab.h"
#include "worker/model/model_runner.h"

namespace triptych::model::internlm_xcomposer2 {

// One rank's part of InternLM2 with Partial LoRA, as InternLM-XComposer2 has it.
class Decoder final : public ModelRunner {
 public:
  // Reads this rank's slices, refuses tensors that nobody reads, and makes room for `num_blocks`
  // blocks of keys and values.
  static StatusOr<std::unique_ptr<ModelRunner>> Load(const weights::WeightLoader& loader,
                                                     const Config& config,
                                                     int64_t num_blocks,
                                                     const layers::RankContext& context);

  at::Tensor Forward(const StepInput& input) override;

 private:
  struct Layer {
    at::Tensor attention_norm;  // [hidden]
    at::Tensor ffn_norm;        // [hidden]
    Attention attention;
    FeedForward feed_forward;
  };
  static StatusOr<Layer> LoadLayer(const weights::WeightLoader& loader,
                                   int64_t index,
                                   const Config& config,
                                   int64_t num_blocks,
                                   const layers::RankContext& context);
  Decoder(const Config& config,
          const layers::RankContext& context,
          layers::VocabEmbedding embedding,
          std::vector<Layer> layers,
          at::Tensor norm,
          layers::VocabOutput output);

  const double norm_eps_;
  const layers::RotaryConfig rotary_;
  const layers::RankContext context_;
  layers::VocabEmbedding embedding_;
  std::vector<Layer> layers_;
  at::Tensor norm_;  // [hidden]
  layers::VocabOutput output_;
};

}  // namespace triptych::model::internlm_xcomposer2
