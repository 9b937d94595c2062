#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_set>
#include <vector>

#include "common/ids.h"
#include "worker/engine/engine_loop.h"

namespace triptych::worker {

// What a decoder's caches hold, told to routers: a snapshot first, then changes. A subscriber that does not keep up gets a
// new snapshot instead of a longer backlog. Thread-safe; the engine thread and the embedding store write, streams read.
class CacheJournal final : public engine::PrefixCacheObserver {
 public:
  struct Update {
    bool snapshot = false;
    // A name stands in one of each pair only: that of its latest change.
    std::unordered_set<uint64_t> stored_blocks, removed_blocks;
    std::unordered_set<EmbeddingKey> stored_embeddings, removed_embeddings;
    size_t size() const {
      return stored_blocks.size() + removed_blocks.size() + stored_embeddings.size() +
             removed_embeddings.size();
    }
    bool empty() const { return !snapshot && size() == 0; }
  };

  // One reader's place in the journal; leaving scope ends it. Take() gives what is new, in order, or an empty update.
  class Subscription {
   public:
    ~Subscription();
    Update Take();

   private:
    friend class CacheJournal;
    CacheJournal* journal_ = nullptr;
    std::function<void()> wake_;
    bool lost_ = true;  // the next Take is a snapshot
    Update pending_;
  };

  explicit CacheJournal(size_t max_pending = 4096) : max_pending_(max_pending) {}

  // `wake` is called, on any thread and never under a lock of the caller's, when Take has something again.
  std::unique_ptr<Subscription> Subscribe(std::function<void()> wake);

  void OnBlocksStored(std::vector<uint64_t> hashes) override;
  void OnBlocksRemoved(std::vector<uint64_t> hashes) override;
  void OnEmbeddingStored(const EmbeddingKey& key);
  void OnEmbeddingRemoved(const EmbeddingKey& key);

 private:
  // Applies one change to every subscriber's backlog and wakes those that had none.
  void Publish(const std::function<void(Update&)>& change);

  const size_t max_pending_;
  std::mutex mutex_;
  std::unordered_set<uint64_t> blocks_;           // guarded by mutex_, as all below
  std::unordered_set<EmbeddingKey> embeddings_;
  std::set<Subscription*> subscriptions_;
};

}  // namespace triptych::worker
