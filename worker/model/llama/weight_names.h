#pragma once

#include <cstdint>
#include <string>

#include "common/model_card/decoder_config.h"
#include "common/string_map.h"

namespace triptych::model::llama {

// How transformers' LLaMA names its tensors, all under `prefix`.
struct TensorNames {
  explicit TensorNames(const std::string& prefix);
  std::string embedding, final_norm, output;
};

struct LayerNames {
  LayerNames(const std::string& prefix, int64_t layer);

  std::string attention_norm, ffn_norm;  // tensors
  std::string q, k, v, o;                // linear layers: .weight, .bias
  std::string gate, up, down;
};

// All tensors that such a decoder reads, and the table that may be stored twice where output and
// embedding are one.
StringSet DecoderTensors(const std::string& prefix, const DecoderConfig& config);

}  // namespace triptych::model::llama
