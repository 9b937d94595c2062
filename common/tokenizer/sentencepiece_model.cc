#include "common/tokenizer/sentencepiece_model.h"

#include <cstring>
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
    if (field->number == 2) {
      if (field->bytes.size() != sizeof(entry.score)) return std::nullopt;
      std::memcpy(&entry.score, field->bytes.data(), sizeof(entry.score));
    }
    if (field->number == 3) {
      if (field->value < 1 || field->value > 6) return std::nullopt;
      entry.type = static_cast<SentencePieceEntry::Type>(field->value);
    }
  }
  return entry;
}

// TrainerSpec: model_type = 3 (2 is BPE), treat_whitespace_as_suffix = 24, byte_fallback = 35.
Status ReadTrainer(std::string_view bytes, SentencePieceModel& model) {
  constexpr uint64_t kBpe = 2;
  uint64_t type = 1;
  for (WireReader reader(bytes); !reader.done();) {
    const auto field = reader.Next();
    if (!field) return FailedPrecondition("its trainer_spec cannot be read");
    if (field->number == 3) type = field->value;
    if (field->number == 24 && field->value != 0) return FailedPrecondition("treat_whitespace_as_suffix is not supported");
    if (field->number == 35) model.byte_fallback = field->value != 0;
  }
  if (type != kBpe) return FailedPrecondition("its model_type is {}, supported is {} (BPE)", type, kBpe);
  return OkStatus();
}

// NormalizerSpec: precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4, escape_whitespaces = 5.
Status ReadNormalizer(std::string_view bytes, SentencePieceModel& model) {
  for (WireReader reader(bytes); !reader.done();) {
    const auto field = reader.Next();
    if (!field) return FailedPrecondition("its normalizer_spec cannot be read");
    if (field->number == 2 && !field->bytes.empty()) {
      return FailedPrecondition("its normaliser rewrites characters; supported is 'identity'");
    }
    if (field->number == 3) model.add_dummy_prefix = field->value != 0;
    if (field->number == 4) model.remove_extra_whitespaces = field->value != 0;
    if (field->number == 5 && field->value == 0) return FailedPrecondition("escape_whitespaces must be on");
  }
  return OkStatus();
}

}  // namespace

StatusOr<SentencePieceModel> ReadSentencePieceModel(std::string_view file) {
  SentencePieceModel model;
  bool has_trainer = false;
  for (WireReader reader(file); !reader.done();) {
    const auto field = reader.Next();
    if (!field) return FailedPrecondition("it is no SentencePiece model, or is cut short");
    if (field->number == 1) {  // ModelProto.pieces
      auto entry = ReadEntry(field->bytes);
      if (!entry) return FailedPrecondition("its piece {} cannot be read", model.entries.size());
      model.entries.push_back(*std::move(entry));
    } else if (field->number == 2) {
      has_trainer = true;
      TRIPTYCH_RETURN_IF_ERROR(ReadTrainer(field->bytes, model));
    } else if (field->number == 3) {
      TRIPTYCH_RETURN_IF_ERROR(ReadNormalizer(field->bytes, model));
    }
  }
  if (model.entries.empty()) return FailedPrecondition("it has no pieces");
  if (!has_trainer) return FailedPrecondition("its trainer_spec is missing: it is cut short");
  return model;
}

}  // namespace triptych
