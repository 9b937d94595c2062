#pragma once

#include <string>
#include <vector>

#include "common/json/json_config.h"
#include "common/status.h"
#include "common/string_map.h"
#include "common/tokenizer/byte_bpe_encoder.h"

namespace triptych {

inline constexpr int32_t kMaxTokens = 1 << 20;  // ids of a vocabulary run below it

// The "model" of a tokenizer.json.
struct ByteBpeModel {
  StringMap<TokenId> ids;  // by spelling (byte_alphabet.h)
  ByteBpeAlphabet alphabet;
  std::vector<ByteBpeMerge> merges;  // by rank
  bool ignore_merges = false;        // a piece that is a token stays whole
};

// kFailedPrecondition names file and key. Refused: anything but BPE, dropout, prefixes and suffixes of subwords, byte_fallback, keys that are not
// known.
StatusOr<ByteBpeModel> ReadByteBpeModel(const nlohmann::json& object, const std::string& file);

}  // namespace triptych
