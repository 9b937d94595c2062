#include "worker/engine/block_pool.h"

#include "common/check.h"

namespace triptych::engine {

BlockPool::BlockPool(int32_t num_blocks) : blocks_(num_blocks) {
  for (BlockId id = num_blocks - 1; id >= 0; --id) free_.push_back(id);
}

std::optional<BlockId> BlockPool::Allocate() {
  BlockId id = -1;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else if (!kept_.empty()) {
    id = kept_.front();
    kept_.pop_front();
    blocks_[id].cached = false;
    if (on_evict_) on_evict_(id);
  } else {
    return std::nullopt;
  }
  blocks_[id].holders = 1;
  return id;
}

void BlockPool::Hold(BlockId id) {
  Block& block = blocks_[id];
  if (block.holders++ > 0) return;
  TRIPTYCH_CHECK(block.cached);
  kept_.erase(block.place);
}

void BlockPool::Release(BlockId id) {
  Block& block = blocks_[id];
  TRIPTYCH_CHECK(block.holders > 0);
  if (--block.holders > 0) return;
  if (block.cached) {
    block.place = kept_.insert(kept_.end(), id);
  } else {
    free_.push_back(id);
  }
}

void BlockPool::SetCached(BlockId id, bool cached) {
  TRIPTYCH_CHECK(blocks_[id].holders > 0);
  blocks_[id].cached = cached;
}

}  // namespace triptych::engine
