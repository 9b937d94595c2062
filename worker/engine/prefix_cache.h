#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/hash/block_hash.h"
#include "worker/engine/block_pool.h"
#include "worker/engine/engine_loop.h"

namespace triptych::engine {

// Finds blocks whose keys and values are those of a sequence's beginning. The chain hash (common/hash/block_hash.h) finds candidates; a block
// is shared only when salt, the whole chain before it, its ids and its pictures' keys and rows are equal. Engine thread only.
class PrefixCache {
 public:
  using HashFunction = std::function<uint64_t(uint64_t previous, std::span<const TokenId>, int32_t, std::span<const KeyedSpan>)>;

  // How far a sequence's chain has been followed.
  struct Cursor {
    uint64_t link = 0;     // hash of the last block
    uint64_t entry = 0;    // its entry's serial number; 0 before the first block
    int32_t blocks = 0;
  };

  PrefixCache(BlockPool* pool, PrefixCacheObserver* observer, HashFunction hash = NextBlockHash);

  // Holds the longest chain of cached full blocks within the first `max_tokens` ids, for the caller to release.
  std::vector<BlockId> Match(const std::string& salt,
                             std::span<const TokenId> ids,
                             std::span<const KeyedSpan> images,
                             int32_t max_tokens,
                             Cursor* cursor);
  // The sequence's next full block, held by the caller, has been computed: others may find it. Where an equal block is cached
  // already, that one stays and the chain goes on from it.
  void Store(const std::string& salt,
             std::span<const TokenId> block,
             std::span<const KeyedSpan> images,
             BlockId id,
             Cursor* cursor);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    uint64_t serial = 0;
    uint64_t parent = 0;  // serial of the block before; serials are never reused, so an evicted parent's children cannot be found
    uint64_t hash = 0;
    std::string salt;     // of first blocks
    std::vector<TokenId> ids;
    std::vector<KeyedSpan> images;  // clipped to the block
  };
  void Evict(BlockId id);
  BlockId Find(uint64_t hash, const Entry& wanted) const;  // -1: not there
  Entry Describe(const std::string& salt,
                 std::span<const TokenId> block,
                 std::span<const KeyedSpan> images,
                 const Cursor& cursor) const;
  uint64_t Advance(const std::string& salt,
                   std::span<const TokenId> block,
                   std::span<const KeyedSpan> images,
                   const Cursor& cursor) const;

  BlockPool* const pool_;
  PrefixCacheObserver* const observer_;  // may be null
  const HashFunction hash_;
  uint64_t next_serial_ = 1;
  std::unordered_map<BlockId, Entry> entries_;
  std::unordered_multimap<uint64_t, BlockId> by_hash_;
};

}  // namespace triptych::engine
