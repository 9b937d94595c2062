#pragma once

#include <cstdint>
#include <string>

namespace triptych::model {

// What the wiring needs to know of a model before any rank has loaded it.
struct ModelFacts {
  std::string family;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t context_tokens = 0;
  // See engine::EngineOptions::rotary_trained_tokens.
  int64_t rotary_trained_tokens = 0;
  // Of one block, all layers, on a rank with the most kv heads. Every rank has as many blocks;
  // those with fewer kv heads take less memory for them.
  int64_t kv_block_bytes = 0;
};

}  // namespace triptych::model
