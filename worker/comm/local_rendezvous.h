#pragma once

#include <condition_variable>
#include <mutex>

#include "common/string_map.h"
#include "worker/comm/rendezvous.h"

namespace triptych::comm {

// For ranks of one process, and tests.
class LocalRendezvous final : public Rendezvous {
 public:
  Status Put(std::string_view key, std::string value) override {
    {
      std::lock_guard lock(mutex_);
      values_[std::string(key)] = std::move(value);
    }
    changed_.notify_all();
    return OkStatus();
  }
  StatusOr<std::string> Get(std::string_view key, TimePoint deadline) override {
    std::unique_lock lock(mutex_);
    const auto there = [&] { return values_.contains(key); };
    if (!changed_.wait_until(lock, deadline, there)) return DeadlineExceeded("nobody put a value under '{}'", key);
    return values_.find(key)->second;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  StringMap<std::string> values_;  // guarded by mutex_
};

}  // namespace triptych::comm
