#include "worker/model/internlm_xcomposer2/weight_names.h"

#include "common/model_card/internlm_xcomposer2/adapters.h"
#include "fmt/format.h"

namespace triptych::model::internlm_xcomposer2 {

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

layers::AdapterPairs AdapterPairsOf(const Config& config) {
  using triptych::internlm_xcomposer2::kAdapterPairs;
  if (!config.task_loras) return {};
  return {kAdapterPairs.begin(), kAdapterPairs.end()};
}

StringSet DecoderTensors(const Config& config) {
  StringSet names = {kTokenEmbeddings, kFinalNorm, kOutput};
  std::vector<std::string> pairs = {"Plora"};
  for (const std::vector<std::string>& adapter : AdapterPairsOf(config)) {
    pairs.insert(pairs.end(), adapter.begin(), adapter.end());
  }
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const LayerNames layer(i);
    names.insert(layer.attention_norm);
    names.insert(layer.ffn_norm);
    for (const std::string& linear : {layer.wqkv, layer.wo, layer.w1, layer.w3, layer.w2}) {
      names.insert(linear + ".weight");
      for (const std::string& pair : pairs) {
        for (const char* half : {"_A.weight", "_B.weight"}) {
          names.insert(fmt::format("{}.{}{}", linear, pair, half));
        }
      }
    }
    if (config.bias) names.insert({layer.wqkv + ".bias", layer.wo + ".bias"});
  }
  return names;
}

std::vector<std::string> EncoderPrefixes() { return {"vit.", "vision_proj.", "plora_"}; }

}  // namespace triptych::model::internlm_xcomposer2
