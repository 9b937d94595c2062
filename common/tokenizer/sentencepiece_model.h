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
  Type type = Type::kNormal;
};

// The vocabulary of a model file, read from its protobuf wire format: SentencePiece's own interface does not tell which pieces are
// user-defined. kFailedPrecondition for what is not such a file.
StatusOr<std::vector<SentencePieceEntry>> ReadSentencePieceEntries(std::string_view file);

}  // namespace triptych
