#include "worker/vision/embedding_store.h"

#include <atomic>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <ATen/ops/empty.h>

#include "common/check.h"

namespace triptych::vision {

struct EmbeddingStore::Pin::Entry {
  EmbeddingKey key;
  int32_t total_rows = 0;
  at::Tensor data;                     // [total_rows, hidden] float32; rows below `available` never change
  std::mutex append_mutex;             // one writer at a time; taken before the store's
  std::atomic<int32_t> available = 0;  // published after the rows are written

  // Guarded by the store's mutex.
  int32_t pins = 0;
  bool abandoned = false;
  bool announced = false;              // on_stored was queued
  std::list<Entry*>::iterator unpinned;  // its place in the LRU list while pins == 0

  bool complete() const { return available.load(std::memory_order_acquire) == total_rows; }
};

struct EmbeddingStore::Impl : std::enable_shared_from_this<EmbeddingStore::Impl> {
  using Entry = Pin::Entry;
  using Event = std::function<void()>;

  int64_t capacity_bytes = 0;
  int32_t hidden_size = 0;
  Observer observer;

  mutable std::mutex mutex;
  // All below guarded by mutex.
  std::unordered_map<EmbeddingKey, std::shared_ptr<Entry>> entries;
  std::list<Entry*> lru;      // unpinned ones, the oldest in front
  int64_t bytes = 0;          // of all entries
  int64_t pinned_bytes = 0;
  uint64_t hits = 0, misses = 0;
  std::deque<Event> events;   // what the observer has not heard yet
  bool telling = false;       // one thread is emptying `events`

  int64_t BytesOf(int64_t rows) const { return rows * hidden_size * static_cast<int64_t>(sizeof(float)); }

  std::shared_ptr<Entry> PinLocked(const std::shared_ptr<Entry>& entry) {
    if (entry->pins++ == 0) {
      lru.erase(entry->unpinned);
      pinned_bytes += BytesOf(entry->total_rows);
    }
    return std::shared_ptr<Entry>(entry.get(), [entry, store = weak_from_this()](Entry*) {
      if (const std::shared_ptr<Impl> impl = store.lock()) impl->Unpin(entry);
    });
  }

  void Unpin(const std::shared_ptr<Entry>& entry) {
    {
      std::lock_guard lock(mutex);
      TRIPTYCH_CHECK(entry->pins > 0);
      if (--entry->pins > 0) return;
      pinned_bytes -= BytesOf(entry->total_rows);
      entry->unpinned = lru.insert(lru.end(), entry.get());
      if (entry->abandoned && !entry->complete()) EvictLocked(entry.get());
    }
    Tell();
  }

  void EvictLocked(Entry* entry) {
    TRIPTYCH_CHECK(entry->pins == 0);
    lru.erase(entry->unpinned);
    bytes -= BytesOf(entry->total_rows);
    if (entry->announced && observer.on_removed) {
      events.push_back([this, key = entry->key] { observer.on_removed(key); });
    }
    entries.erase(entry->key);  // the last reference, but for Append's
  }

  StatusOr<std::shared_ptr<Entry>> ReserveLocked(const EmbeddingKey& key, int32_t rows) {
    if (const auto found = entries.find(key); found != entries.end()) {
      const std::shared_ptr<Entry>& entry = found->second;
      if (entry->total_rows != rows) return Internal("embedding has {} rows, not {}", entry->total_rows, rows);
      entry->abandoned = false;
      return PinLocked(entry);
    }
    if (rows <= 0) return InvalidArgument("embedding of {} rows; at least 1 is needed", rows);
    const int64_t needed = BytesOf(rows);
    if (pinned_bytes + needed > capacity_bytes) {
      return ResourceExhausted("embedding store is full: {} bytes wanted, {} of {} in use", needed, pinned_bytes, capacity_bytes);
    }
    while (bytes + needed > capacity_bytes) EvictLocked(lru.front());
    return PinLocked(InsertLocked(key, rows));
  }

  std::shared_ptr<Entry> InsertLocked(const EmbeddingKey& key, int32_t rows) {
    auto entry = std::make_shared<Entry>();
    entry->key = key;
    entry->total_rows = rows;
    entry->data = at::empty({rows, hidden_size}, at::kFloat);
    entry->unpinned = lru.insert(lru.end(), entry.get());
    bytes += BytesOf(rows);
    entries.emplace(key, entry);
    return entry;
  }

  // Tells the observer what has happened, without the lock. One thread at a time does it for all, so that the order holds.
  void Tell() {
    std::unique_lock lock(mutex);
    if (telling) return;
    telling = true;
    while (!events.empty()) {
      const Event event = std::move(events.front());
      events.pop_front();
      lock.unlock();
      event();
      lock.lock();
    }
    telling = false;
  }

  std::shared_ptr<Entry> Lookup(const EmbeddingKey& key) {
    std::lock_guard lock(mutex);
    const auto found = entries.find(key);
    return found == entries.end() ? nullptr : PinLocked(found->second);
  }

  void QueueGrowth(Entry* entry, int32_t rows) {
    std::lock_guard lock(mutex);
    const EmbeddingKey key = entry->key;
    if (observer.on_rows) events.push_back([this, key, rows] { observer.on_rows(key, rows); });
    if (rows < entry->total_rows) return;
    entry->announced = true;
    if (observer.on_stored) events.push_back([this, key] { observer.on_stored(key); });
  }
};

EmbeddingStore::EmbeddingStore(int64_t capacity_bytes, int32_t hidden_size, Observer observer)
    : impl_(std::make_shared<Impl>()) {
  impl_->capacity_bytes = capacity_bytes;
  impl_->hidden_size = hidden_size;
  impl_->observer = std::move(observer);
}

EmbeddingStore::~EmbeddingStore() = default;

StatusOr<EmbeddingStore::Pin> EmbeddingStore::Reserve(const EmbeddingKey& key, int32_t rows) {
  Pin pin;
  {
    std::lock_guard lock(impl_->mutex);
    TRIPTYCH_ASSIGN_OR_RETURN(pin.entry_, impl_->ReserveLocked(key, rows));
  }
  impl_->Tell();
  return pin;
}

EmbeddingStore::Pin EmbeddingStore::Find(const EmbeddingKey& key) {
  Pin pin;
  std::lock_guard lock(impl_->mutex);
  const auto found = impl_->entries.find(key);
  if (found == impl_->entries.end()) {
    ++impl_->misses;
    return pin;
  }
  ++impl_->hits;
  pin.entry_ = impl_->PinLocked(found->second);
  return pin;
}

Status EmbeddingStore::Append(const EmbeddingKey& key, int32_t first_row, const at::Tensor& rows) {
  if (rows.dim() != 2 || rows.size(1) != impl_->hidden_size || rows.scalar_type() != at::kFloat || !rows.is_contiguous()) {
    return InvalidArgument("embedding rows must be [n, {}] float32", impl_->hidden_size);
  }
  const std::shared_ptr<Pin::Entry> entry = impl_->Lookup(key);  // stays pinned until the observer has heard of it
  if (entry == nullptr) return NotFound("embedding is not in the store");
  {
    std::lock_guard writing(entry->append_mutex);
    const int32_t available = entry->available.load(std::memory_order_relaxed);
    const int64_t end = first_row + rows.size(0);
    if (first_row < 0 || first_row > available || end > entry->total_rows) {
      return InvalidArgument("embedding rows [{}, {}) do not go on at {} of {}", first_row, end, available, entry->total_rows);
    }
    if (end <= available) return OkStatus();
    const int64_t width = impl_->hidden_size;
    std::memcpy(entry->data.mutable_data_ptr<float>() + available * width,
                rows.const_data_ptr<float>() + (available - first_row) * width, (end - available) * width * sizeof(float));
    entry->available.store(static_cast<int32_t>(end), std::memory_order_release);
    impl_->QueueGrowth(entry.get(), static_cast<int32_t>(end));
  }
  impl_->Tell();
  return OkStatus();
}

void EmbeddingStore::Abandon(const EmbeddingKey& key) {
  const std::shared_ptr<Pin::Entry> entry = impl_->Lookup(key);  // unpinning drops it, unless others hold it
  if (entry == nullptr) return;
  std::lock_guard lock(impl_->mutex);
  if (!entry->complete()) entry->abandoned = true;
}

int32_t EmbeddingStore::hidden_size() const { return impl_->hidden_size; }

int64_t EmbeddingStore::bytes() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->bytes;
}

int64_t EmbeddingStore::entries() const {
  std::lock_guard lock(impl_->mutex);
  return static_cast<int64_t>(impl_->entries.size());
}

uint64_t EmbeddingStore::hits() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->hits;
}

uint64_t EmbeddingStore::misses() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->misses;
}

int32_t EmbeddingStore::Pin::total_rows() const { return entry_->total_rows; }

int32_t EmbeddingStore::Pin::available_rows() const {
  return entry_->available.load(std::memory_order_acquire);
}

at::Tensor EmbeddingStore::Pin::Rows(int32_t first, int32_t count) const {
  TRIPTYCH_CHECK(first >= 0 && count >= 0 && first + count <= available_rows());
  return entry_->data.narrow(0, first, count);
}

}  // namespace triptych::vision
