#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "common/string_map.h"

namespace triptych {

// Two neighbours that become one token.
struct ByteBpeMerge {
  TokenId left = -1;
  TokenId right = -1;
  TokenId merged = -1;
};

// The tokens of single bytes, and what becomes of bytes without one: as in the tokenizers library they are `unknown`, or, where there is
// no unknown token, nothing at all.
struct ByteBpeAlphabet {
  std::array<TokenId, 256> byte_ids{};  // -1: none
  TokenId unknown = -1;
  bool fuse_unknown = false;  // neighbours are one unknown token
};

// Byte-level BPE (Sennrich et al., arXiv 1508.07909): a piece's bytes, of which neighbours are merged in the order of the merges' ranks,
// leftmost first. n log n in the length of the piece. Immutable, thread-safe.
class ByteBpeEncoder {
 public:
  // `merges` by rank, the first is merged first; of two for the same neighbours the later counts.
  ByteBpeEncoder(const ByteBpeAlphabet& alphabet, std::span<const ByteBpeMerge> merges);

  // A piece that is one of these byte strings is that token, whatever the merges would make of it.
  void SetWholePieces(StringMap<TokenId> pieces) { whole_pieces_ = std::move(pieces); }

  void Encode(std::string_view piece, std::vector<TokenId>& ids) const;

 private:
  struct Ranked {
    int32_t rank;
    TokenId merged;
  };
  class Merger;

  ByteBpeAlphabet alphabet_;
  absl::flat_hash_map<uint64_t, Ranked> merges_;  // by left and right
  StringMap<TokenId> whole_pieces_;
};

}  // namespace triptych
