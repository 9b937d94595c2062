#include "worker/model/internlm_xcomposer2/weight_names.h"

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

StringSet DecoderTensors(int64_t num_layers, bool bias) {
  StringSet names = {kTokenEmbeddings, kFinalNorm, kOutput};
  for (int64_t i = 0; i < num_layers; ++i) {
    const LayerNames layer(i);
    names.insert(layer.attention_norm);
    names.insert(layer.ffn_norm);
    for (const std::string& linear : {layer.wqkv, layer.wo, layer.w1, layer.w3, layer.w2}) {
      for (const char* tensor : {".weight", ".Plora_A.weight", ".Plora_B.weight"}) {
        names.insert(linear + tensor);
      }
    }
    if (bias) names.insert({layer.wqkv + ".bias", layer.wo + ".bias"});
  }
  return names;
}

std::vector<std::string> EncoderPrefixes() { return {"vit.", "vision_proj."}; }

}  // namespace triptych::model::internlm_xcomposer2
