#include "worker/vision/perceive_sampler.h"

#include <utility>

#include "fmt/format.h"
#include "worker/kernels/activation.h"
#include "worker/kernels/attention.h"

namespace triptych::vision {
namespace {

using internlm_xcomposer::SamplerConfig;

constexpr char kBert[] = "Qformer.bert.";

}  // namespace

StatusOr<PerceiveSampler::Attention> PerceiveSampler::LoadAttention(WeightReader& reader,
                                                                    const std::string& prefix,
                                                                    const SamplerConfig& config,
                                                                    int64_t source_width) {
  const int64_t width = config.hidden_size;
  Attention attention;
  TRIPTYCH_ASSIGN_OR_RETURN(attention.query, reader.Linear(prefix + "self.query", width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(attention.key, reader.Linear(prefix + "self.key", source_width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(attention.value,
                            reader.Linear(prefix + "self.value", source_width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(attention.out, reader.Linear(prefix + "output.dense", width, width));
  TRIPTYCH_ASSIGN_OR_RETURN(
      attention.norm,
      LayerNorm::Load(reader, prefix + "output.LayerNorm", width, config.layer_norm_eps));
  return attention;
}

StatusOr<PerceiveSampler::Layer> PerceiveSampler::LoadLayer(WeightReader& reader,
                                                            int32_t index,
                                                            const SamplerConfig& config,
                                                            int64_t feature_width) {
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  const std::string prefix = fmt::format("{}encoder.layer.{}.", kBert, index);
  Layer layer;
  TRIPTYCH_ASSIGN_OR_RETURN(layer.self,
                            LoadAttention(reader, prefix + "attention.", config, width));
  if (index % config.cross_attention_freq == 0) {
    TRIPTYCH_ASSIGN_OR_RETURN(
        layer.cross, LoadAttention(reader, prefix + "crossattention.", config, feature_width));
  }
  TRIPTYCH_ASSIGN_OR_RETURN(layer.fc1,
                            reader.Linear(prefix + "intermediate_query.dense", width, inner));
  TRIPTYCH_ASSIGN_OR_RETURN(layer.fc2, reader.Linear(prefix + "output_query.dense", inner, width));
  TRIPTYCH_ASSIGN_OR_RETURN(
      layer.norm,
      LayerNorm::Load(reader, prefix + "output_query.LayerNorm", width, config.layer_norm_eps));
  return layer;
}

StatusOr<PerceiveSampler> PerceiveSampler::Load(WeightReader& reader,
                                                const SamplerConfig& config,
                                                int64_t feature_width) {
  const int64_t width = config.hidden_size;
  PerceiveSampler sampler;
  sampler.num_heads_ = config.num_heads;
  TRIPTYCH_ASSIGN_OR_RETURN(const at::Tensor tokens,
                            reader.Tensor("query_tokens", {1, config.num_queries, width}));
  TRIPTYCH_ASSIGN_OR_RETURN(
      const LayerNorm norm,
      LayerNorm::Load(reader, fmt::format("{}embeddings.LayerNorm", kBert), width,
                      config.layer_norm_eps));
  sampler.queries_ = norm.Forward(tokens[0]);
  for (int32_t i = 0; i < config.num_layers; ++i) {
    TRIPTYCH_ASSIGN_OR_RETURN(Layer layer, LoadLayer(reader, i, config, feature_width));
    sampler.layers_.push_back(std::move(layer));
  }
  return sampler;
}

at::Tensor PerceiveSampler::Attend(const Attention& attention,
                                   const at::Tensor& x,
                                   const at::Tensor& source) const {
  const auto heads = [this](const at::Tensor& rows) {
    return rows.view({1, rows.size(0), num_heads_, rows.size(1) / num_heads_});
  };
  const at::Tensor mixed = kernels::DenseAttention(heads(attention.query.Forward(x)),
                                                   heads(attention.key.Forward(source)),
                                                   heads(attention.value.Forward(source)));
  return attention.norm.Forward(attention.out.Forward(mixed.reshape(x.sizes())).add_(x));
}

at::Tensor PerceiveSampler::Forward(const at::Tensor& features) const {
  at::Tensor x = queries_;
  for (const Layer& layer : layers_) {
    x = Attend(layer.self, x, x);
    if (layer.cross) x = Attend(*layer.cross, x, features);
    x = layer.norm.Forward(layer.fc2.Forward(kernels::Gelu(layer.fc1.Forward(x))).add_(x));
  }
  return x;
}

}  // namespace triptych::vision
