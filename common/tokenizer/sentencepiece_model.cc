#include "common/tokenizer/sentencepiece_model.h"

#include <optional>

namespace triptych {
namespace {

// Protobuf's wire format: tags, varints, fixed and length-delimited fields.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  struct Field {
    uint32_t number = 0;
    uint64_t value = 0;      // of a varint
    std::string_view bytes;  // of a length-delimited field
  };
  bool done() const { return rest_.empty(); }
  // Nothing: the bytes are no message.
  std::optional<Field> Next() {
    const std::optional<uint64_t> tag = Varint();
    if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1fffffff) return std::nullopt;
    Field field{.number = static_cast<uint32_t>(*tag >> 3)};
    std::optional<uint64_t> size;
    switch (*tag & 7) {
      case 0:
        size = Varint();
        if (!size) return std::nullopt;
        field.value = *size;
        return field;
      case 1: size = 8; break;
      case 2: size = Varint(); break;
      case 5: size = 4; break;
      default: return std::nullopt;
    }
    if (!size || *size > rest_.size()) return std::nullopt;
    field.bytes = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
    return field;
  }

 private:
  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  std::string_view rest_;
};

// ModelProto.SentencePiece: piece = 1, score = 2, type = 3.
std::optional<SentencePieceEntry> ReadEntry(std::string_view bytes) {
  SentencePieceEntry entry;
  for (WireReader reader(bytes); !reader.done();) {
    const auto field = reader.Next();
    if (!field) return std::nullopt;
    if (field->number == 1) entry.piece = std::string(field->bytes);
    if (field->number == 3) {
      if (field->value < 1 || field->value > 6) return std::nullopt;
      entry.type = static_cast<SentencePieceEntry::Type>(field->value);
    }
  }
  return entry;
}

}  // namespace

StatusOr<std::vector<SentencePieceEntry>> ReadSentencePieceEntries(std::string_view file) {
  std::vector<SentencePieceEntry> entries;
  for (WireReader reader(file); !reader.done();) {
    const auto field = reader.Next();
    if (!field) return FailedPrecondition("it is no SentencePiece model, or is cut short");
    if (field->number != 1) continue;  // ModelProto.pieces
    auto entry = ReadEntry(field->bytes);
    if (!entry) return FailedPrecondition("its piece {} cannot be read", entries.size());
    entries.push_back(*std::move(entry));
  }
  if (entries.empty()) return FailedPrecondition("it has no pieces");
  return entries;
}

}  // namespace triptych
