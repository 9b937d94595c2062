#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/status.h"

namespace triptych::vision {

// Embeddings by key, growing row by row as they arrive, at most `capacity_bytes` in all (LRU; pinned entries stay and count). Both
// sides use it: the encoder for what it made, the decoder for what it fetched. Thread-safe; a miss is an answer, never an error.
class EmbeddingStore {
 public:
  // Called without the store's lock, one call at a time, in the order in which things happened, and perhaps on another thread that is using
  // the store. on_removed tells only of entries that were complete.
  struct Observer {
    std::function<void(const EmbeddingKey&, int32_t rows)> on_rows;   // rows from the first that are there now
    std::function<void(const EmbeddingKey&)> on_stored;               // complete
    std::function<void(const EmbeddingKey&)> on_removed;
  };
  // Holds an entry in place while it lives. Movable, and may outlive the store.
  class Pin;

  EmbeddingStore(int64_t capacity_bytes, int32_t hidden_size, Observer observer);
  ~EmbeddingStore();

  // Makes room for an entry of `rows` rows, or pins the one that is there (also an abandoned one, which goes on where it
  // stopped). kResourceExhausted when what is pinned leaves no room; kInternal when the one that is there has other rows.
  StatusOr<Pin> Reserve(const EmbeddingKey& key, int32_t rows);
  // Pins what is there, complete or growing; an empty Pin when the key is unknown. Counts a hit or a miss.
  Pin Find(const EmbeddingKey& key);
  // Appends rows at `first_row`, at most the next one (rows already there are skipped). [n, hidden] float32. kNotFound for an unknown
  // key, kInvalidArgument for rows that do not fit; nothing changes then.
  Status Append(const EmbeddingKey& key, int32_t first_row, const at::Tensor& rows);
  // An incomplete entry that nobody will finish: dropped when unpinned. Nothing for others.
  void Abandon(const EmbeddingKey& key);

  int32_t hidden_size() const;
  int64_t bytes() const;
  int64_t entries() const;
  uint64_t hits() const;
  uint64_t misses() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class EmbeddingStore::Pin {
 public:
  Pin() = default;
  explicit operator bool() const { return entry_ != nullptr; }
  int32_t total_rows() const;
  int32_t available_rows() const;   // grows; any thread
  // Rows [first, first + count), which must be available: a view, no copy.
  at::Tensor Rows(int32_t first, int32_t count) const;

 private:
  friend class EmbeddingStore;
  struct Entry;
  std::shared_ptr<Entry> entry_;    // with a custom deleter that unpins
};

}  // namespace triptych::vision
