#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/model_card/internlm_xcomposer2/config.h"
#include "common/string_map.h"
#include "worker/model/layers/plora_linear.h"

namespace triptych::model::internlm_xcomposer2 {

using triptych::internlm_xcomposer2::Config;

// How published checkpoints name the language model's tensors.
inline constexpr const char* kTokenEmbeddings = "model.tok_embeddings.weight";
inline constexpr const char* kFinalNorm = "model.norm.weight";
inline constexpr const char* kOutput = "output.weight";

struct LayerNames {
  explicit LayerNames(int64_t layer);

  std::string attention_norm;  // tensors
  std::string ffn_norm;
  std::string wqkv, wo;    // linear layers: .weight, .bias, .Plora_A.weight, .Plora_B.weight, pairs of adapters
  std::string w1, w3, w2;  // gate, up, down
};

// The low-rank pairs of each adapter of a checkpoint; it may have none.
layers::AdapterPairs AdapterPairsOf(const Config& config);

// All tensors that a decoder reads.
StringSet DecoderTensors(const Config& config);

// Beginnings of the names that the encoder reads and checks.
std::vector<std::string> EncoderPrefixes();

}  // namespace triptych::model::internlm_xcomposer2
