#include "common/tokenizer/sentencepiece.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/text_file.h"

namespace triptych {
namespace {

using Type = SentencePieceEntry::Type;

constexpr std::string_view kSpaceMark = "\xe2\x96\x81";         // U+2581, a space inside pieces
constexpr std::string_view kUnknownText = " \xe2\x81\x87 ";     // what SentencePiece decodes <unk> to
constexpr std::string_view kWhiteSpace = " \t\n\r\f\v";

bool IsBracketed(std::string_view piece) {
  return piece.size() > 2 &&
         ((piece.front() == '[' && piece.back() == ']') || (piece.front() == '<' && piece.back() == '>'));
}

std::string TextOf(const SentencePieceEntry& entry) {
  switch (entry.type) {
    case Type::kControl:
    case Type::kUnused: return "";
    case Type::kUnknown: return std::string(kUnknownText);
    case Type::kByte: {  // <0xAB>
      int byte = 0;
      std::from_chars(entry.piece.data() + 3, entry.piece.data() + entry.piece.size() - 1, byte, 16);
      return std::string(1, static_cast<char>(byte));
    }
    default: break;
  }
  std::string text;
  for (std::string_view rest = entry.piece; !rest.empty();) {
    const bool space = rest.starts_with(kSpaceMark);
    text += space ? ' ' : rest.front();
    rest.remove_prefix(space ? kSpaceMark.size() : 1);
  }
  return text;
}

std::string_view StripRight(std::string_view text) {
  const size_t last = text.find_last_not_of(kWhiteSpace);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

// A special spelling found in a text: [begin, end).
struct Spelling {
  size_t begin;
  size_t end;
  TokenId id;
};

// The next spelling at or after `from`: the leftmost, and the longest there.
std::optional<Spelling> FindNext(std::string_view text, size_t from, const StringMap<TokenId>& spellings, size_t longest) {
  for (size_t at = text.find_first_of("[<", from); at != std::string_view::npos; at = text.find_first_of("[<", at + 1)) {
    for (size_t size = std::min(longest, text.size() - at); size > 2; --size) {
      const auto found = spellings.find(text.substr(at, size));
      if (found != spellings.end()) return Spelling{at, at + size, found->second};
    }
  }
  return std::nullopt;
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::Load(const std::string& path) {
  TRIPTYCH_ASSIGN_OR_RETURN(const std::string file, ReadTextFile(path));
  auto model = ReadSentencePieceModel(file);
  if (!model.ok()) return WithContext(path, model.status());
  auto encoder = SentencePieceEncoder::Make(*model);
  if (!encoder.ok()) return WithContext(path, encoder.status());
  std::unique_ptr<SentencePieceTokenizer> tokenizer(new SentencePieceTokenizer(*std::move(encoder)));
  tokenizer->Index(model->entries);
  if (tokenizer->bos_ < 0 || tokenizer->eos_ < 0) return FailedPrecondition("{}: the pieces <s> and </s> are missing", path);
  return tokenizer;
}

void SentencePieceTokenizer::Index(const std::vector<SentencePieceEntry>& entries) {
  for (const SentencePieceEntry& entry : entries) {
    const auto id = static_cast<TokenId>(bytes_.size());
    bytes_.push_back(TextOf(entry));
    if (bytes_.back() == std::string_view("\0", 1)) (entry.type == Type::kByte ? nul_byte_ : nul_piece_) = id;
    if (entry.type == Type::kControl || entry.type == Type::kUnknown) controls_.emplace(entry.piece, id);
    if (entry.type != Type::kUserDefined || !IsBracketed(entry.piece)) continue;
    bracketed_.emplace(entry.piece, id);
    longest_bracketed_ = std::max(longest_bracketed_, entry.piece.size());
  }
  bos_ = SpecialId("<s>");
  eos_ = SpecialId("</s>");
}

TokenId SentencePieceTokenizer::SpecialId(std::string_view spelling) const {
  for (const StringMap<TokenId>* map : {&bracketed_, &controls_}) {
    if (const auto found = map->find(spelling); found != map->end()) return found->second;
  }
  return -1;
}

std::string SentencePieceTokenizer::Bytes(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < bytes_.size() ? bytes_[id] : "";
}

void SentencePieceTokenizer::EncodePlain(std::string_view text, std::vector<TokenId>& ids) const {
  if (text.empty()) return;
  for (const TokenId id : encoder_.Encode(text)) ids.push_back(id == nul_piece_ ? nul_byte_ : id);
}

// Walks the special spellings of the joined text: those in trusted text act, those touched by untrusted text are broken after their
// first character.
std::vector<TokenId> SentencePieceTokenizer::Encode(std::span<const TextRun> runs) const {
  std::string text;
  std::vector<bool> trusted;
  for (const TextRun& run : runs) {
    text += run.text;
    trusted.insert(trusted.end(), run.text.size(), run.trusted);
  }
  const auto all_trusted = [&](const Spelling& at) {
    return std::all_of(trusted.begin() + at.begin, trusted.begin() + at.end, [](bool t) { return t; });
  };
  std::vector<TokenId> ids;
  size_t begin = 0;  // of what is not encoded yet
  const std::string_view view = text;
  for (size_t from = 0; from < text.size();) {
    const auto bracketed = FindNext(view, from, bracketed_, longest_bracketed_);
    const auto control = FindNext(view, from, controls_, std::string_view("<unk>").size());
    if (!bracketed && !control) break;
    const bool is_control = control && (!bracketed || control->begin < bracketed->begin);
    const Spelling at = is_control ? *control : *bracketed;
    from = at.end;
    if (is_control && all_trusted(at)) {
      EncodePlain(StripRight(view.substr(begin, at.begin - begin)), ids);
      ids.push_back(at.id);
      begin = std::min(view.find_first_not_of(kWhiteSpace, at.end), view.size());
      from = begin;
    } else if (!is_control && !all_trusted(at)) {
      EncodePlain(view.substr(begin, at.begin + 1 - begin), ids);
      begin = from = at.begin + 1;
    }
  }
  EncodePlain(view.substr(begin), ids);
  return ids;
}

}  // namespace triptych
