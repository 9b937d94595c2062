#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/ids.h"

namespace triptych {

// One picture's place in a sequence, for hashing and for exact comparison.
struct KeyedSpan {
  int32_t start = 0;
  int32_t rows = 0;
  EmbeddingKey key;
  auto operator<=>(const KeyedSpan&) const = default;
};

// The hash chain of a sequence's full blocks of kBlockTokens: link i covers tokens [0, 16 * (i + 1)). XXH3-64 over the previous link and
// the block's ids; a picture's key is folded in at the block where it starts; the first link starts from the salt. Router
// and decoder compute the same chain. A hint only: the decoder compares ids and keys before it shares a block.
std::vector<uint64_t> BlockHashes(std::string_view salt, std::span<const TokenId> ids, std::span<const KeyedSpan> images);

// One step of the chain, for sequences that grow: `block` is exactly kBlockTokens ids starting at `first_position`.
uint64_t NextBlockHash(uint64_t previous, std::span<const TokenId> block, int32_t first_position, std::span<const KeyedSpan> images);
uint64_t FirstLink(std::string_view salt);

}  // namespace triptych
