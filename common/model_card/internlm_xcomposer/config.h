#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/model_card/decoder_config.h"
#include "common/status.h"

namespace triptych::internlm_xcomposer {

// The tower, EVA-ViT-g. The published configs do not carry it: these defaults are the tower that
// their code builds. The extension key "vision_config" overrides them.
struct VisionConfig {
  int32_t hidden_size = 1408;
  int32_t intermediate_size = 6144;
  int32_t num_layers = 39;
  int32_t num_heads = 16;
  int32_t image_size = 224;
  int32_t patch_size = 14;
  double layer_norm_eps = 1e-6;

  int32_t grid() const { return image_size / patch_size; }
  int32_t tokens() const { return 1 + grid() * grid(); }  // with the class token
};

// The perceive sampler, a BERT; likewise, by "qformer_config".
struct SamplerConfig {
  int32_t hidden_size = 768;
  int32_t intermediate_size = 3072;
  int32_t num_layers = 12;
  int32_t num_heads = 12;
  int32_t cross_attention_freq = 2;  // every so many layers, from the first on, look at the picture
  double layer_norm_eps = 1e-12;
  int32_t num_queries = 32;  // "num_query_token" of config.json; released checkpoints have 64
};

// Which layers have a low-rank pair beside them, of what rank and scale.
struct LoraConfig {
  bool queries = false;
  bool keys = false;
  bool values = false;
  bool output = false;
  bool feed_forward = false;  // of its three layers up and down
  int32_t rank = 8;
  double scale = 2;
};

// config.json of InternLM-XComposer (model_type "InternLMXComposer"). Defaults are those of the
// published configuration class for absent keys.
struct Config {
  DecoderConfig text;  // InternLM: a LLaMA with biases in attention ("kqvo_bias")
  VisionConfig vision;
  SamplerConfig sampler;
  LoraConfig lora;

  // Of a picture: what the sampler gives, between a row that begins it and one that ends it.
  int32_t image_rows() const { return sampler.num_queries + 2; }
};

// kFailedPrecondition names file, key, what was found and what is allowed.
StatusOr<Config> ParseConfig(std::string_view json, std::string_view file_name);
StatusOr<Config> LoadConfig(const std::string& model_dir);  // model_dir/config.json

}  // namespace triptych::internlm_xcomposer
