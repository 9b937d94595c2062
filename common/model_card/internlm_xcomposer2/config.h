#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace triptych::internlm_xcomposer2 {

enum class RopeScaling { kNone, kLinear, kDynamic };

// The CLIP tower. The published configs do not carry it: these defaults are the tower that their code builds. The extension key
// "vision_config" overrides them.
struct VisionConfig {
  int32_t hidden_size = 1024;
  int32_t intermediate_size = 4096;
  int32_t num_layers = 24;
  int32_t num_heads = 16;
  int32_t patch_size = 14;
  double layer_norm_eps = 1e-5;
};

// config.json of an InternLM-XComposer2 checkpoint (model_type "internlmxcomposer2"). Defaults are those of the published
// configuration class for absent keys.
struct Config {
  int32_t vocab_size = 103168;
  int32_t hidden_size = 4096;
  int32_t intermediate_size = 11008;
  int32_t num_layers = 32;
  int32_t num_heads = 32;
  int32_t num_kv_heads = 32;
  bool bias = true;                       // of wqkv and wo
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  RopeScaling rope_scaling = RopeScaling::kNone;
  double rope_factor = 1;
  int32_t max_position_embeddings = 2048;  // trained length: beyond it dynamic scaling stretches the base
  int32_t context_tokens = 2048;           // rows that a sequence may have: the greater of max_length and the trained length
  int32_t img_size = 224;                  // pixels; pictures are squashed to a square of it
  int32_t bos_token_id = 1;
  int32_t eos_token_id = 2;
  VisionConfig vision;

  int32_t head_dim() const { return hidden_size / num_heads; }
  int32_t patches_per_side() const { return img_size / vision.patch_size; }
  int32_t image_rows() const { return patches_per_side() * patches_per_side(); }
};

// kFailedPrecondition names file, key, what was found and what is allowed. Checkpoints that tile (4KHD, 2.5) have no img_size and are refused
// by name.
StatusOr<Config> ParseConfig(std::string_view json, std::string_view file_name);
StatusOr<Config> LoadConfig(const std::string& model_dir);  // model_dir/config.json

}  // namespace triptych::internlm_xcomposer2
