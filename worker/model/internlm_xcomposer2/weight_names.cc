#include "worker/model/internlm_xcomposer2/weight_names.h"

#include "common/model_card/internlm_xcomposer2/adapters.h"
#include "fmt/format.h"

namespace triptych::model::internlm_xcomposer2 {

layers::AdapterPairs AdapterPairsOf(const Config& config) {
  using triptych::internlm_xcomposer2::kAdapterPairs;
  if (!config.task_loras) return {};
  return {kAdapterPairs.begin(), kAdapterPairs.end()};
}

StringSet DecoderTensors(const Config& config) {
  StringSet names = internlm2::DecoderTensors({.num_layers = config.num_layers, .attention_bias = config.bias});
  std::vector<std::string> pairs = {"Plora"};
  for (const std::vector<std::string>& adapter : AdapterPairsOf(config)) {
    pairs.insert(pairs.end(), adapter.begin(), adapter.end());
  }
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const LayerNames layer(i);
    for (const std::string& linear : {layer.wqkv, layer.wo, layer.w1, layer.w3, layer.w2}) {
      for (const std::string& pair : pairs) {
        for (const char* half : {"_A.weight", "_B.weight"}) {
          names.insert(fmt::format("{}.{}{}", linear, pair, half));
        }
      }
    }
  }
  return names;
}

std::vector<std::string> EncoderPrefixes() { return {"vit.", "vision_proj.", "plora_"}; }

}  // namespace triptych::model::internlm_xcomposer2
