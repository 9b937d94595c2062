#pragma once

#include <deque>
#include <mutex>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "worker/vision/embedding_store.h"

namespace triptych::worker {

// Keeps freshly encoded pictures in place until a decoder has fetched them, or their lease runs out. Thread-safe.
class PinBoard {
 public:
  explicit PinBoard(Duration lease) : lease_(lease) {}

  void Add(const EmbeddingKey& key, vision::EmbeddingStore::Pin pin, TimePoint now) {
    std::lock_guard lock(mutex_);
    pins_.push_back({key, std::move(pin), now + lease_});
  }
  // One fetch has been served: the oldest pin of the key goes.
  void Release(const EmbeddingKey& key) {
    std::lock_guard lock(mutex_);
    for (auto at = pins_.begin(); at != pins_.end(); ++at) {
      if (at->key != key) continue;
      pins_.erase(at);
      return;
    }
  }
  void Expire(TimePoint now) {
    std::lock_guard lock(mutex_);
    while (!pins_.empty() && pins_.front().end <= now) pins_.pop_front();
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return pins_.size();
  }

 private:
  struct Entry {
    EmbeddingKey key;
    vision::EmbeddingStore::Pin pin;
    TimePoint end;
  };
  const Duration lease_;
  mutable std::mutex mutex_;
  std::deque<Entry> pins_;  // guarded by mutex_; by end
};

}  // namespace triptych::worker
