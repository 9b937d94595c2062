#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace triptych {

// One entry of a SentencePiece model file.
struct SentencePieceEntry {
  enum class Type : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  std::string piece;
  float score = 0;
  Type type = Type::kNormal;
};

// What a model file says, with the defaults of SentencePiece's schema.
struct SentencePieceModel {
  std::vector<SentencePieceEntry> entries;
  bool byte_fallback = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

// Reads a model file from its protobuf wire format. kFailedPrecondition for what is no such file, and for models that the encoder does not
// cover: anything but BPE, and rewriting normalisers.
StatusOr<SentencePieceModel> ReadSentencePieceModel(std::string_view file);

}  // namespace triptych
