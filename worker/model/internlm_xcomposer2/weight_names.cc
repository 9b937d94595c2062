#include "worker/model/internlm_xcomposer2/weight_names.h"

namespace triptych::model::internlm_xcomposer2 {

StringSet DecoderTensors(int64_t num_layers, bool bias) {
  const DecoderConfig config{.num_layers = static_cast<int32_t>(num_layers), .attention_bias = bias};
  StringSet names = internlm2::DecoderTensors(config);
  for (int64_t i = 0; i < num_layers; ++i) {
    const LayerNames layer(i);
    for (const std::string& linear : {layer.wqkv, layer.wo, layer.w1, layer.w3, layer.w2}) {
      names.insert({linear + ".Plora_A.weight", linear + ".Plora_B.weight"});
    }
  }
  return names;
}

std::vector<std::string> EncoderPrefixes() { return {"vit.", "vision_proj."}; }

}  // namespace triptych::model::internlm_xcomposer2
