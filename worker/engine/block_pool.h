#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "worker/engine/step_plan.h"

namespace triptych::engine {

// Who holds which KV block: bookkeeping only, no memory. A block is free, held (by one or more sequences) or kept: held by nobody, but
// its content is in the prefix cache and may be held again until it is evicted, least recently kept first. Engine thread only.
class BlockPool {
 public:
  explicit BlockPool(int32_t num_blocks);

  // Told of a block that is about to be reused; its content is forgotten.
  void OnEvict(std::function<void(BlockId)> hook) { on_evict_ = std::move(hook); }

  // A block held once, evicting if need be; nothing when all are held.
  std::optional<BlockId> Allocate();
  void Hold(BlockId id);     // once more; also a kept block
  void Release(BlockId id);  // at the last: free, or kept if its content is cached
  void SetCached(BlockId id, bool cached);

  int32_t num_blocks() const { return static_cast<int32_t>(blocks_.size()); }
  int32_t num_available() const { return static_cast<int32_t>(free_.size() + kept_.size()); }  // free or kept
  int32_t num_kept() const { return static_cast<int32_t>(kept_.size()); }
  int32_t holders(BlockId id) const { return blocks_[id].holders; }

 private:
  struct Block {
    int32_t holders = 0;
    bool cached = false;
    std::list<BlockId>::iterator place;  // in kept_, while kept
  };
  std::vector<Block> blocks_;
  std::vector<BlockId> free_;
  std::list<BlockId> kept_;  // the next to evict first
  std::function<void(BlockId)> on_evict_;
};

}  // namespace triptych::engine
