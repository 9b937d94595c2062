#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "common/ids.h"
#include "common/model_card/image_header.h"

namespace triptych::router {

// A picture file with what its header says.
struct StoredImage {
  Sha256Digest digest{};
  ImageHeader header{};
  std::shared_ptr<const std::string> file;
};

// Pictures that clients have sent, by tenant and digest, at most `capacity_bytes` (least recently used go first). Thread-safe.
class ImageStore {
 public:
  explicit ImageStore(int64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  void Put(const std::string& tenant, StoredImage image) {
    const auto size = static_cast<int64_t>(image.file->size());
    if (size > capacity_bytes_) return;
    std::lock_guard lock(mutex_);
    const Key key{tenant, image.digest};
    if (const auto found = index_.find(key); found != index_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return;
    }
    order_.emplace_front(key, std::move(image));
    index_[key] = order_.begin();
    bytes_ += size;
    while (bytes_ > capacity_bytes_) {
      bytes_ -= static_cast<int64_t>(order_.back().second.file->size());
      index_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  std::optional<StoredImage> Find(const std::string& tenant, const Sha256Digest& digest) {
    std::lock_guard lock(mutex_);
    const auto found = index_.find({tenant, digest});
    if (found == index_.end()) return std::nullopt;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  int64_t bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  using Key = std::pair<std::string, Sha256Digest>;
  using Order = std::list<std::pair<Key, StoredImage>>;
  const int64_t capacity_bytes_;
  mutable std::mutex mutex_;
  Order order_;  // the latest first; guarded by mutex_, as all below
  std::map<Key, Order::iterator> index_;
  int64_t bytes_ = 0;
};

}  // namespace triptych::router
