#include "common/tokenizer/byte_bpe_encoder.h"

#include <queue>
#include <utility>

namespace triptych {
namespace {

uint64_t KeyOf(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

// One piece's symbols, a linked list, and the neighbours that may be merged, the lowest rank first.
class ByteBpeEncoder::Merger {
 public:
  Merger(const ByteBpeEncoder& encoder, std::string_view piece) : encoder_(encoder) {
    Spell(piece);
    for (int32_t i = 1; i < static_cast<int32_t>(symbols_.size()); ++i) AddPair(i - 1, i);
  }

  void Run(std::vector<TokenId>& ids) {
    while (!agenda_.empty()) {
      const Pair pair = agenda_.top();
      agenda_.pop();
      Symbol& left = symbols_[pair.left];
      // One of them has been merged elsewhere since.
      if (left.next < 0 || KeyOf(left.id, symbols_[left.next].id) != pair.key) continue;
      Symbol& right = symbols_[left.next];
      left.id = pair.merged;
      right.id = -1;
      left.next = right.next;
      if (left.next >= 0) symbols_[left.next].previous = pair.left;
      AddPair(left.previous, pair.left);
      AddPair(pair.left, left.next);
    }
    for (int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[i].next) ids.push_back(symbols_[i].id);
  }

 private:
  struct Symbol {
    TokenId id;  // -1: it is part of one before it
    int32_t previous;
    int32_t next;
  };
  struct Pair {
    int32_t rank;
    int32_t left;
    uint64_t key;
    TokenId merged;
    // The lowest rank first, then the leftmost.
    bool operator<(const Pair& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };

  void Spell(std::string_view piece) {
    symbols_.reserve(piece.size());
    bool after_unknown = false;
    for (const char c : piece) {
      const TokenId known = encoder_.alphabet_.byte_ids[static_cast<uint8_t>(c)];
      const TokenId id = known >= 0 ? known : encoder_.alphabet_.unknown;
      const bool fused = known < 0 && after_unknown && encoder_.alphabet_.fuse_unknown;
      after_unknown = known < 0;
      if (id < 0 || fused) continue;
      const auto index = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({id, index - 1, index + 1});
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  void AddPair(int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const uint64_t key = KeyOf(symbols_[left].id, symbols_[right].id);
    const auto found = encoder_.merges_.find(key);
    if (found != encoder_.merges_.end()) agenda_.push({found->second.rank, left, key, found->second.merged});
  }

  const ByteBpeEncoder& encoder_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair> agenda_;
};

ByteBpeEncoder::ByteBpeEncoder(const ByteBpeAlphabet& alphabet, std::span<const ByteBpeMerge> merges) : alphabet_(alphabet) {
  merges_.reserve(merges.size());
  int32_t rank = 0;
  for (const ByteBpeMerge& merge : merges) merges_[KeyOf(merge.left, merge.right)] = {rank++, merge.merged};
}

void ByteBpeEncoder::Encode(std::string_view piece, std::vector<TokenId>& ids) const {
  if (const auto whole = whole_pieces_.find(piece); whole != whole_pieces_.end()) {
    ids.push_back(whole->second);
  } else {
    Merger(*this, piece).Run(ids);
  }
}

}  // namespace triptych
