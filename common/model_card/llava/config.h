#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/model_card/decoder_config.h"
#include "common/status.h"

namespace triptych::llava {

// The CLIP tower; defaults are those of transformers' CLIPVisionConfig for absent keys.
struct VisionConfig {
  int32_t hidden_size = 768;
  int32_t intermediate_size = 3072;
  int32_t num_layers = 12;
  int32_t num_heads = 12;
  int32_t image_size = 224;
  int32_t patch_size = 32;
  double layer_norm_eps = 1e-5;
};

// config.json of LLaVA 1.5 in the layout of transformers (model_type "llava"): "text_config" is a LLaMA, "vision_config" a CLIP tower.
struct Config {
  DecoderConfig text;
  VisionConfig vision;
  int32_t tower_layers = 0;  // blocks that run: vision_feature_layer, counted from the embeddings or back from the end
  TokenId image_token_index = 32000;

  int32_t image_rows() const { return (vision.image_size / vision.patch_size) * (vision.image_size / vision.patch_size); }
};

// preprocessor_config.json: the shorter side is resized to `shortest_edge` (bicubic), and a square of `crop_size` cut out of the middle.
struct Preprocessing {
  int32_t shortest_edge = 0;
  int32_t crop_size = 0;
};

// kFailedPrecondition names file, key, what was found and what is allowed.
StatusOr<Config> ParseConfig(std::string_view json, std::string_view file_name);
StatusOr<Config> LoadConfig(const std::string& model_dir);  // model_dir/config.json
// Refuses what the published processors do not do: another filter, other means and deviations, no crop, a crop that is not the tower's image.
StatusOr<Preprocessing> ParsePreprocessing(std::string_view json, std::string_view file_name, int32_t image_size);
StatusOr<Preprocessing> LoadPreprocessing(const std::string& model_dir, int32_t image_size);  // model_dir/preprocessor_config.json

}  // namespace triptych::llava
