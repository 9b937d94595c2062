#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/model/layers/attention.h"
#include "worker/model/layers/feed_forward.h"
#include "worker/model/layers/head_split.h"
#include "worker/model/layers/projection.h"
#include "worker/model/layers/rank_context.h"
#include "worker/model/layers/rotary.h"
#include "worker/model/layers/vocab.h"
#include "worker/model/model_facts.h"
#include "worker/model/model_runner.h"
#include "worker/weights/weight_loader.h"

namespace triptych::model::layers {

// The sizes of a decoder: RMS norms before attention and feed-forward, rotary positions,
// grouped-query attention, a gated feed-forward network (LLaMA, arXiv 2302.13971).
struct DecoderSizes {
  int64_t vocab = 0;
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  double norm_eps = 0;
  RotaryConfig rotary;  // its head_dim is that of all heads

  int64_t query_features() const { return num_heads * rotary.head_dim; }
  int64_t kv_features() const { return num_kv_heads * rotary.head_dim; }
};

// What one rank has of every layer.
struct LayerShare {
  HeadSplit heads;
  Range inner;  // of the intermediate features
};
// kFailedPrecondition where so many ranks cannot share the layers.
StatusOr<LayerShare> ShareLayer(const DecoderSizes& sizes, int rank, int size);

// The facts of a family whose decoder this is.
StatusOr<ModelFacts> DescribeDecoder(std::string family,
                                     const DecoderSizes& sizes,
                                     int64_t context_tokens,
                                     int tensor_parallel,
                                     at::ScalarType dtype);

// One rank's part of a layer's weights.
struct LayerWeights {
  at::Tensor attention_norm;        // [hidden]
  at::Tensor ffn_norm;              // [hidden]
  std::unique_ptr<Projection> qkv;  // packed as layers::Attention says
  std::unique_ptr<Projection> out;
  std::unique_ptr<Projection> gate;
  std::unique_ptr<Projection> up;
  std::unique_ptr<Projection> down;
};

// Where a family's checkpoint has what; names are those of stored tensors.
struct DecoderSource {
  std::string embedding;
  std::string final_norm;
  std::string output;  // that of the embedding where the two are tied
  std::function<StatusOr<LayerWeights>(int64_t layer, const LayerShare& share)> load_layer;
};

// One rank's part of a decoder: weights, keys and values.
class Decoder final : public ModelRunner {
 public:
  // Reads this rank's slices, and makes room for `num_blocks` blocks of keys and values.
  static StatusOr<std::unique_ptr<ModelRunner>> Load(const weights::WeightLoader& loader,
                                                     const DecoderSizes& sizes,
                                                     const DecoderSource& source,
                                                     int64_t num_blocks,
                                                     const RankContext& context);

  at::Tensor Forward(const StepInput& input) override;

 private:
  struct Layer {
    at::Tensor attention_norm;  // [hidden]
    at::Tensor ffn_norm;        // [hidden]
    Attention attention;
    FeedForward feed_forward;
  };
  Decoder(const DecoderSizes& sizes,
          const RankContext& context,
          VocabEmbedding embedding,
          std::vector<Layer> layers,
          at::Tensor norm,
          VocabOutput output);

  const double norm_eps_;
  const RotaryConfig rotary_;
  const RankContext context_;
  VocabEmbedding embedding_;
  std::vector<Layer> layers_;
  at::Tensor norm_;  // [hidden]
  VocabOutput output_;
};

}  // namespace triptych::model::layers
