#include "worker/model/llama/weight_names.h"

#include "fmt/format.h"

namespace triptych::model::llama {

TensorNames::TensorNames(const std::string& prefix)
    : embedding(prefix + "model.embed_tokens.weight"),
      final_norm(prefix + "model.norm.weight"),
      output(prefix + "lm_head.weight") {}

LayerNames::LayerNames(const std::string& prefix, int64_t layer) {
  const std::string start = fmt::format("{}model.layers.{}.", prefix, layer);
  attention_norm = start + "input_layernorm.weight";
  ffn_norm = start + "post_attention_layernorm.weight";
  q = start + "self_attn.q_proj";
  k = start + "self_attn.k_proj";
  v = start + "self_attn.v_proj";
  o = start + "self_attn.o_proj";
  gate = start + "mlp.gate_proj";
  up = start + "mlp.up_proj";
  down = start + "mlp.down_proj";
}

StringSet DecoderTensors(const std::string& prefix, const DecoderConfig& config) {
  const TensorNames whole(prefix);
  StringSet names = {whole.embedding, whole.final_norm, whole.output};
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const LayerNames layer(prefix, i);
    names.insert({layer.attention_norm, layer.ffn_norm});
    for (const std::string& linear : {layer.q, layer.k, layer.v, layer.o}) {
      names.insert(linear + ".weight");
      if (config.attention_bias) names.insert(linear + ".bias");
    }
    for (const std::string& linear : {layer.gate, layer.up, layer.down}) {
      names.insert(linear + ".weight");
      if (config.mlp_bias) names.insert(linear + ".bias");
    }
  }
  return names;
}

}  // namespace triptych::model::llama
