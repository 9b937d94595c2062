#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/model_card/image_geometry.h"
#include "common/status.h"

namespace triptych::internlm_xcomposer2 {

enum class RopeScaling { kNone, kLinear, kDynamic };

// What a checkpoint does with pictures, and what hangs together with that.
enum class Variant {
  kPlain,  // XComposer2 and -VL: squashed to one square
  k4khd,   // XComposer2-4KHD: tiles of 336
  k2d5,    // XComposer2.5: tiles of 560; other prompts; task LoRAs
};

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
  Variant variant = Variant::kPlain;
  bool task_loras = false;                 // 2.5: the low-rank pairs lora_sft, lora_dpo and lora_web are beside every PLoRA
  int32_t img_size = 224;                  // side of the square that the tower takes, in pixels: of the squashed picture, or of a tile
  int32_t bos_token_id = 1;
  int32_t eos_token_id = 2;
  VisionConfig vision;

  int32_t head_dim() const { return hidden_size / num_heads; }
  int32_t patches_per_side() const { return img_size / vision.patch_size; }
  bool tiles() const { return variant != Variant::kPlain; }
  int32_t image_rows() const { return patches_per_side() * patches_per_side(); }  // of a squashed picture
  int32_t merged_per_side() const { return patches_per_side() / 2; }              // tokens along a tile: 2 x 2 patches each
  // Of a picture that asks for none, in a prompt of so many; the published chat()'s.
  int32_t DefaultMaxTiles(int32_t num_images) const;
  TilingRule tiling() const { return {.side = img_size, .enlarges = variant == Variant::k4khd, .centers = variant == Variant::k4khd}; }
};

// What the headers of the weight files say, for what config.json leaves open.
struct WeightTraits {
  int64_t position_rows = 0;       // of the tower's position table; 0: not known
  std::optional<bool> task_loras;  // unset: there are no weights here
};

// kFailedPrecondition names file, key, what was found and what is allowed.
//
// Published checkpoints of XComposer2 and -VL have img_size. Those that cut pictures into tiles have not, and their config.json does not
// tell 4KHD from 2.5. What tells is, in this order: vision_config.image_size (an extension key: 336 or 560); the rows of the tower's position
// table (577 or 1601), where a safetensors header has them; the tensors' names (2.5 carries task LoRAs, 4KHD none), where an index has them.
// Whatever was found, the encoder holds its position table against it when it loads.
StatusOr<Config> ParseConfig(std::string_view json, std::string_view file_name, const WeightTraits& weights = {});
StatusOr<Config> LoadConfig(const std::string& model_dir);  // model_dir/config.json, and headers of the weight files beside it

}  // namespace triptych::internlm_xcomposer2
