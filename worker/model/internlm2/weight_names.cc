#include "worker/model/internlm2/weight_names.h"

#include "fmt/format.h"

namespace triptych::model::internlm2 {

LayerNames::LayerNames(int64_t layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  attention_norm = prefix + "attention_norm.weight";
  ffn_norm = prefix + "ffn_norm.weight";
  wqkv = prefix + "attention.wqkv";
  wo = prefix + "attention.wo";
  w1 = prefix + "feed_forward.w1";
  w3 = prefix + "feed_forward.w3";
  w2 = prefix + "feed_forward.w2";
}

StringSet DecoderTensors(const DecoderConfig& config) {
  StringSet names = {kTokenEmbeddings, kFinalNorm, kOutput};
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const LayerNames layer(i);
    names.insert({layer.attention_norm, layer.ffn_norm});
    for (const std::string& linear : {layer.wqkv, layer.wo, layer.w1, layer.w3, layer.w2}) {
      names.insert(linear + ".weight");
    }
    if (config.attention_bias) names.insert({layer.wqkv + ".bias", layer.wo + ".bias"});
  }
  return names;
}

}  // namespace triptych::model::internlm2
