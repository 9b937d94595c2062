#pragma once

#include <cstdint>
#include <vector>

#include "common/ids.h"
#include "common/json/json_config.h"
#include "common/model_card/rope_scaling.h"

namespace triptych {

// What config.json says of a LLaMA-like decoder. The defaults are those of transformers' LlamaConfig for absent keys.
struct DecoderConfig {
  int32_t vocab_size = 32000;
  int32_t hidden_size = 4096;
  int32_t intermediate_size = 11008;
  int32_t num_layers = 32;
  int32_t num_heads = 32;
  int32_t num_kv_heads = 32;
  int32_t head_dim = 128;
  bool attention_bias = false;   // of queries, keys, values and output
  bool mlp_bias = false;         // of gate, up and down
  bool tied_embeddings = false;  // the output is the embedding's table
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  int32_t max_position_embeddings = 2048;  // trained length: beyond it dynamic scaling stretches the base
  int32_t context_tokens = 2048;           // rows that a sequence may have: the trained length, times the factor under linear and dynamic scaling
  TokenId bos_token_id = 1;
  std::vector<TokenId> eos_token_ids = {2};
};

// Reads the keys of LlamaConfig over what `config` holds; problems, also of sizes that do not fit together, stay in `json`.
void ReadDecoderConfig(JsonConfig& json, DecoderConfig* config);

// "eos_token_id": a number or a list of numbers. Absent: `ids` stays.
void ReadTokenIds(JsonConfig& json, std::string_view key, int32_t vocab_size, std::vector<TokenId>* ids);

}  // namespace triptych
