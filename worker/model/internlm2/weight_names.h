#pragma once

#include <cstdint>
#include <string>

#include "common/model_card/decoder_config.h"
#include "common/string_map.h"

namespace triptych::model::internlm2 {

// How published checkpoints name the language model's tensors.
inline constexpr const char* kTokenEmbeddings = "model.tok_embeddings.weight";
inline constexpr const char* kFinalNorm = "model.norm.weight";
inline constexpr const char* kOutput = "output.weight";

struct LayerNames {
  explicit LayerNames(int64_t layer);

  std::string attention_norm;  // tensors
  std::string ffn_norm;
  std::string wqkv, wo;    // linear layers: .weight, .bias
  std::string w1, w3, w2;  // gate, up, down
};

// All tensors that such a decoder reads, and the table that may be stored twice where output and
// embedding are one.
StringSet DecoderTensors(const DecoderConfig& config);

}  // namespace triptych::model::internlm2
