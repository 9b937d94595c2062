#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/status.h"

namespace triptych::coordinator {

// The values by which ranks of one forming of a shard group find each other. Small, and gone with the group. Thread-safe.
class RendezvousStore {
 public:
  static constexpr size_t kMaxKeys = 4096;        // of one group
  static constexpr size_t kMaxValueBytes = 64 << 10;

  // kInvalidArgument for empty or oversized keys and values, kResourceExhausted when the group has too many.
  Status Put(const std::string& group_id, const std::string& key, std::string value) {
    if (group_id.empty() || key.empty() || key.size() > 256) return InvalidArgument("a value needs a group and a key of at most 256 bytes");
    if (value.size() > kMaxValueBytes) return InvalidArgument("a value of {} bytes, at most {}", value.size(), kMaxValueBytes);
    std::lock_guard lock(mutex_);
    auto& values = groups_[group_id];
    if (values.size() >= kMaxKeys && !values.contains(key)) return ResourceExhausted("group {} has {} values", group_id, kMaxKeys);
    values[key] = std::move(value);
    return OkStatus();
  }

  std::optional<std::string> Get(const std::string& group_id, const std::string& key) const {
    std::lock_guard lock(mutex_);
    const auto group = groups_.find(group_id);
    if (group == groups_.end()) return std::nullopt;
    const auto found = group->second.find(key);
    return found == group->second.end() ? std::nullopt : std::optional(found->second);
  }

  // Forgets groups that nobody is in any more.
  void Collect(const std::function<bool(const std::string&)>& alive) {
    std::lock_guard lock(mutex_);
    std::erase_if(groups_, [&](const auto& group) { return !alive(group.first); });
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, std::string>> groups_;  // guarded by mutex_
};

}  // namespace triptych::coordinator
