#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/model_card/internlm_xcomposer/config.h"
#include "common/status.h"
#include "worker/kernels/linear.h"
#include "worker/vision/layer_norm.h"
#include "worker/vision/weight_reader.h"

namespace triptych::vision {

// InternLM-XComposer's perceive sampler, which is the Q-Former of BLIP-2 (arXiv 2301.12597) without
// its text: learned queries that go through a BERT, whose every so many layers also attend to a
// picture's features. Norms stand behind attention and feed-forward parts. Immutable.
class PerceiveSampler {
 public:
  // The tensors "query_tokens" and those under "Qformer.bert.". Features are `feature_width` wide.
  static StatusOr<PerceiveSampler> Load(WeightReader& reader,
                                        const internlm_xcomposer::SamplerConfig& config,
                                        int64_t feature_width);

  // One picture's features [tokens, feature width] -> [queries, hidden size].
  at::Tensor Forward(const at::Tensor& features) const;

 private:
  struct Attention {
    kernels::PackedLinear query, key, value, out;
    LayerNorm norm;
  };
  struct Layer {
    Attention self;
    std::optional<Attention> cross;
    kernels::PackedLinear fc1, fc2;
    LayerNorm norm;
  };

  static StatusOr<Attention> LoadAttention(WeightReader& reader,
                                           const std::string& prefix,
                                           const internlm_xcomposer::SamplerConfig& config,
                                           int64_t source_width);
  static StatusOr<Layer> LoadLayer(WeightReader& reader,
                                   int32_t index,
                                   const internlm_xcomposer::SamplerConfig& config,
                                   int64_t feature_width);
  // norm(x + out(attention of x's rows to those of `source`)).
  at::Tensor Attend(const Attention& attention,
                    const at::Tensor& x,
                    const at::Tensor& source) const;

  int64_t num_heads_ = 0;
  at::Tensor queries_;  // [queries, hidden size], normed
  std::vector<Layer> layers_;
};

}  // namespace triptych::vision
