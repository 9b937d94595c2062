#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/string_map.h"

namespace triptych::model::internlm_xcomposer2 {

// How published checkpoints name the language model's tensors.
inline constexpr const char* kTokenEmbeddings = "model.tok_embeddings.weight";
inline constexpr const char* kFinalNorm = "model.norm.weight";
inline constexpr const char* kOutput = "output.weight";

struct LayerNames {
  explicit LayerNames(int64_t layer);

  std::string attention_norm;  // tensors
  std::string ffn_norm;
  std::string wqkv, wo;    // linear layers: .weight, .bias, .Plora_A.weight, .Plora_B.weight
  std::string w1, w3, w2;  // gate, up, down
};

// All tensors that a decoder of `num_layers` layers reads; `bias`: wqkv and wo have one.
StringSet DecoderTensors(int64_t num_layers, bool bias);

// Beginnings of the names that the encoder reads and checks.
std::vector<std::string> EncoderPrefixes();

}  // namespace triptych::model::internlm_xcomposer2
