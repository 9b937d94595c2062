#include "common/tokenizer/sentencepiece_encoder.h"

#include <algorithm>
#include <charconv>
#include <queue>
#include <utility>

#include "common/tokenizer/utf8.h"

namespace triptych {
namespace {

using Type = SentencePieceEntry::Type;
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581

// <0xAB>, or -1.
int ByteOf(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return -1;
  int byte = -1;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return error == std::errc() && end == piece.data() + 5 ? byte : -1;
}

}  // namespace

// One text's symbols, a linked list over the normalised text, and the pairs that may be merged, best first.
class SentencePieceEncoder::Merger {
 public:
  Merger(const SentencePieceEncoder& encoder, std::string_view text) : encoder_(encoder) {
    Split(text);
    for (int32_t i = 1; i < static_cast<int32_t>(symbols_.size()); ++i) AddPair(i - 1, i);
  }

  std::vector<int32_t> Run() {
    while (!agenda_.empty()) {
      const Pair pair = agenda_.top();
      agenda_.pop();
      Symbol& left = symbols_[pair.left];
      Symbol& right = symbols_[pair.right];
      // One of them has been merged elsewhere since.
      if (left.text.empty() || right.text.empty() || left.text.size() + right.text.size() != pair.size) continue;
      left.text = std::string_view(left.text.data(), pair.size);
      left.next = right.next;
      if (right.next >= 0) symbols_[right.next].previous = pair.left;
      right.text = {};
      AddPair(left.previous, pair.left);
      AddPair(pair.left, left.next);
    }
    std::vector<int32_t> ids;
    for (int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[i].next) EmitUsed(symbols_[i].text, ids);
    return ids;
  }

 private:
  struct Symbol {
    int32_t previous;
    int32_t next;
    bool frozen;  // user-defined: never merged
    std::string_view text;
  };
  struct Pair {
    int32_t left;
    int32_t right;
    float score;
    size_t size;
    // The greatest score first, then the leftmost.
    bool operator<(const Pair& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };

  void Split(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      const size_t fixed = encoder_.UserDefinedBytes(text.substr(at));
      const size_t size = fixed > 0 ? fixed : StepUtf8(text.substr(at)).bytes;
      const auto index = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({index - 1, index + 1, fixed > 0, text.substr(at, size)});
      at += size;
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  void AddPair(int32_t left, int32_t right) {
    if (left < 0 || right < 0 || symbols_[left].frozen || symbols_[right].frozen) return;
    const std::string_view first = symbols_[left].text;
    const size_t size = first.size() + symbols_[right].text.size();
    if (size > encoder_.longest_piece_) return;
    const std::string_view joined(first.data(), size);
    const auto found = encoder_.pieces_.find(joined);
    if (found == encoder_.pieces_.end()) return;
    agenda_.push({left, right, found->second.score, size});
    if (found->second.unused) parts_[std::string(joined)] = {first, symbols_[right].text};
  }

  // A piece that the model marks as unused is taken apart again.
  void EmitUsed(std::string_view text, std::vector<int32_t>& ids) const {
    const auto found = encoder_.pieces_.find(text);
    const bool unused = found != encoder_.pieces_.end() && found->second.unused;
    const auto parts = unused ? parts_.find(text) : parts_.end();
    if (parts == parts_.end()) return encoder_.Emit(text, ids);
    EmitUsed(parts->second.first, ids);
    EmitUsed(parts->second.second, ids);
  }

  const SentencePieceEncoder& encoder_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair> agenda_;
  StringMap<std::pair<std::string_view, std::string_view>> parts_;  // of unused pieces
};

StatusOr<SentencePieceEncoder> SentencePieceEncoder::Make(const SentencePieceModel& model) {
  SentencePieceEncoder encoder;
  encoder.byte_fallback_ = model.byte_fallback;
  encoder.add_dummy_prefix_ = model.add_dummy_prefix;
  encoder.remove_extra_whitespaces_ = model.remove_extra_whitespaces;
  encoder.byte_ids_.fill(-1);
  StringSet seen;
  for (size_t i = 0; i < model.entries.size(); ++i) {
    const SentencePieceEntry& entry = model.entries[i];
    const auto id = static_cast<int32_t>(i);
    if (entry.piece.empty()) return FailedPrecondition("its piece {} is empty", i);
    if (!seen.insert(entry.piece).second) return FailedPrecondition("its piece {} ('{}') is there twice", i, entry.piece);
    if (entry.type == Type::kUnknown) encoder.unknown_ = id;
    if (entry.type == Type::kByte) {
      const int byte = ByteOf(entry.piece);
      if (byte < 0) return FailedPrecondition("its piece {} ('{}') is no byte", i, entry.piece);
      encoder.byte_ids_[byte] = id;
    }
    if (entry.type != Type::kNormal && entry.type != Type::kUserDefined && entry.type != Type::kUnused) continue;
    encoder.pieces_.emplace(entry.piece, Piece{id, entry.score, entry.type == Type::kUnused});
    encoder.longest_piece_ = std::max(encoder.longest_piece_, entry.piece.size());
    if (entry.type != Type::kUserDefined) continue;
    encoder.user_defined_.insert(entry.piece);
    encoder.user_defined_sizes_.push_back(entry.piece.size());
    encoder.starts_user_defined_[static_cast<uint8_t>(entry.piece.front())] = true;
  }
  if (encoder.unknown_ < 0) return FailedPrecondition("it has no unknown piece");
  if (encoder.byte_fallback_ && std::ranges::find(encoder.byte_ids_, -1) != encoder.byte_ids_.end()) {
    return FailedPrecondition("it falls back to bytes, yet pieces of bytes are missing");
  }
  auto& sizes = encoder.user_defined_sizes_;
  std::ranges::sort(sizes, std::greater<>());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return encoder;
}

std::vector<int32_t> SentencePieceEncoder::Encode(std::string_view text) const {
  const std::string normal = Normalize(text);
  return Merger(*this, normal).Run();
}

// Spaces become marks; with remove_extra_whitespaces runs of them become one and those at the ends none.
std::string SentencePieceEncoder::Normalize(std::string_view text) const {
  if (remove_extra_whitespaces_) {
    const size_t first = text.find_first_not_of(' ');
    text = first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(' ') + 1 - first);
  }
  std::string normal;
  if (text.empty()) return normal;
  normal.reserve(text.size() * 3 / 2);
  if (add_dummy_prefix_) normal += kSpaceMark;
  bool after_space = false;
  for (const char c : text) {
    const bool space = c == ' ';
    if (!space) normal += c;
    if (space && !(after_space && remove_extra_whitespaces_)) normal += kSpaceMark;
    after_space = space;
  }
  return normal;
}

size_t SentencePieceEncoder::UserDefinedBytes(std::string_view text) const {
  if (!starts_user_defined_[static_cast<uint8_t>(text.front())]) return 0;
  for (const size_t size : user_defined_sizes_) {
    if (size <= text.size() && user_defined_.contains(text.substr(0, size))) return size;
  }
  return 0;
}

void SentencePieceEncoder::Emit(std::string_view piece, std::vector<int32_t>& ids) const {
  if (const auto found = pieces_.find(piece); found != pieces_.end()) {
    ids.push_back(found->second.id);
  } else if (byte_fallback_) {
    for (const char c : piece) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
  } else if (ids.empty() || ids.back() != unknown_) {  // a run of unknown characters is one piece
    ids.push_back(unknown_);
  }
}

}  // namespace triptych
