#include "worker/engine/prefix_cache.h"

#include <algorithm>

#include "common/check.h"

namespace triptych::engine {

PrefixCache::PrefixCache(BlockPool* pool, PrefixCacheObserver* observer, HashFunction hash)
    : pool_(pool), observer_(observer), hash_(std::move(hash)) {
  pool_->OnEvict([this](BlockId id) { Evict(id); });
}

uint64_t PrefixCache::Advance(const std::string& salt,
                              std::span<const TokenId> block,
                              std::span<const KeyedSpan> images,
                              const Cursor& cursor) const {
  const uint64_t previous = cursor.blocks == 0 ? FirstLink(salt) : cursor.link;
  return hash_(previous, block, cursor.blocks * kBlockTokens, images);
}

PrefixCache::Entry PrefixCache::Describe(const std::string& salt,
                                         std::span<const TokenId> block,
                                         std::span<const KeyedSpan> images,
                                         const Cursor& cursor) const {
  Entry entry;
  entry.parent = cursor.entry;
  entry.hash = Advance(salt, block, images, cursor);
  if (cursor.blocks == 0) entry.salt = salt;
  entry.ids.assign(block.begin(), block.end());
  const int32_t begin = cursor.blocks * kBlockTokens, end = begin + kBlockTokens;
  for (const KeyedSpan& image : images) {
    if (image.start < end && image.start + image.rows > begin) entry.images.push_back(image);
  }
  return entry;
}

BlockId PrefixCache::Find(uint64_t hash, const Entry& wanted) const {
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto candidate = begin; candidate != end; ++candidate) {
    const Entry& entry = entries_.at(candidate->second);
    if (entry.parent == wanted.parent && entry.salt == wanted.salt && entry.ids == wanted.ids && entry.images == wanted.images) {
      return candidate->second;
    }
  }
  return -1;
}

std::vector<BlockId> PrefixCache::Match(const std::string& salt,
                                        std::span<const TokenId> ids,
                                        std::span<const KeyedSpan> images,
                                        int32_t max_tokens,
                                        Cursor* cursor) {
  std::vector<BlockId> blocks;
  const auto limit = std::min<size_t>(ids.size(), std::max(max_tokens, 0));
  while ((cursor->blocks + 1) * size_t{kBlockTokens} <= limit) {
    const Entry wanted = Describe(salt, ids.subspan(cursor->blocks * kBlockTokens, kBlockTokens), images, *cursor);
    const BlockId id = Find(wanted.hash, wanted);
    if (id < 0) break;
    pool_->Hold(id);
    blocks.push_back(id);
    *cursor = {wanted.hash, entries_.at(id).serial, cursor->blocks + 1};
  }
  return blocks;
}

void PrefixCache::Store(const std::string& salt,
                        std::span<const TokenId> block,
                        std::span<const KeyedSpan> images,
                        BlockId id,
                        Cursor* cursor) {
  Entry entry = Describe(salt, block, images, *cursor);
  const uint64_t hash = entry.hash;
  BlockId cached = Find(hash, entry);
  if (cached < 0) {
    TRIPTYCH_CHECK(!entries_.contains(id));
    entry.serial = next_serial_++;
    entries_.emplace(id, std::move(entry));
    by_hash_.emplace(hash, id);
    pool_->SetCached(id, true);
    if (observer_ != nullptr) observer_->OnBlocksStored({hash});
    cached = id;
  }
  *cursor = {hash, entries_.at(cached).serial, cursor->blocks + 1};
}

void PrefixCache::Evict(BlockId id) {
  const auto found = entries_.find(id);
  TRIPTYCH_CHECK(found != entries_.end());
  const uint64_t hash = found->second.hash;
  const auto [begin, end] = by_hash_.equal_range(hash);
  by_hash_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == id; }));
  entries_.erase(found);
  if (observer_ != nullptr && !by_hash_.contains(hash)) observer_->OnBlocksRemoved({hash});
}

}  // namespace triptych::engine
