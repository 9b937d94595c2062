#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "worker/vision/embedding_store.h"

namespace triptych::worker {

// Keeps encoded pictures in place until the decoder that they were encoded for has fetched them, or their lease runs out. A place is taken
// before the encoding begins, because a fetch may be over before the encoding's own report is. Thread-safe.
class PinBoard {
 public:
  using Place = uint64_t;

  explicit PinBoard(Duration lease) : lease_(lease) {}

  // `decoder`: its incarnation.
  Place Take(const EmbeddingKey& key, uint64_t decoder) {
    std::lock_guard lock(mutex_);
    entries_[next_] = {.key = key, .decoder = decoder};
    return next_++;
  }
  // Does nothing when the decoder has been served meanwhile.
  void Fill(Place place, vision::EmbeddingStore::Pin pin, TimePoint now) {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(place);
    if (found == entries_.end()) return;
    found->second.pin = std::move(pin);
    found->second.end = now + lease_;
    last_filled_ = now;
  }
  void GiveUp(Place place) {
    std::lock_guard lock(mutex_);
    entries_.erase(place);
  }
  // The decoder has all rows of the picture.
  void Served(const EmbeddingKey& key, uint64_t decoder) {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& entry) { return entry.second.key == key && entry.second.decoder == decoder; });
  }
  void Expire(TimePoint now) {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& entry) { return entry.second.end && *entry.second.end <= now; });
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
  }
  // Nobody is likely to come for what is still here: decoders ask as soon as a picture's encoding has begun.
  bool quiet(TimePoint now) const {
    constexpr std::chrono::seconds kLong{1};
    std::lock_guard lock(mutex_);
    return entries_.empty() || (last_filled_ && now - *last_filled_ > kLong);
  }

 private:
  struct Entry {
    EmbeddingKey key;
    uint64_t decoder = 0;
    vision::EmbeddingStore::Pin pin{};
    std::optional<TimePoint> end;  // once filled
  };
  const Duration lease_;
  mutable std::mutex mutex_;
  std::map<Place, Entry> entries_;  // guarded by mutex_, as all below
  Place next_ = 1;
  std::optional<TimePoint> last_filled_;
};

}  // namespace triptych::worker
