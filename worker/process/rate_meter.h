#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <optional>

#include "common/clock.h"

namespace triptych::worker {

// How fast a counter grows, per second: an exponential mean over about `window`, from readings at
// irregular times. Time counts that lies between two readings which are both `relevant`: so what is
// learned while there is work at hand is not washed out by idle hours. 0 before the first such
// time. Thread-safe.
class RateMeter {
 public:
  explicit RateMeter(Duration window) : window_(window) {}

  double Read(uint64_t count, TimePoint now, bool relevant = true) {
    std::lock_guard lock(mutex_);
    if (last_ && now - last_->at < kShortest) return rate_.value_or(0);
    if (last_ && last_->relevant && relevant && count >= last_->count) {
      const double seconds = std::chrono::duration<double>(now - last_->at).count();
      const double sample = static_cast<double>(count - last_->count) / seconds;
      const double weight = 1 - std::exp(-seconds / std::chrono::duration<double>(window_).count());
      rate_ = rate_ ? *rate_ + weight * (sample - *rate_) : sample;
    }
    last_ = {.count = count, .at = now, .relevant = relevant};
    return rate_.value_or(0);
  }

 private:
  // Readings closer together say more about their own rounding than about the rate.
  static constexpr std::chrono::milliseconds kShortest{100};
  struct Reading {
    uint64_t count = 0;
    TimePoint at;
    bool relevant = false;
  };

  const Duration window_;
  std::mutex mutex_;
  std::optional<Reading> last_;  // guarded by mutex_, as rate_
  std::optional<double> rate_;
};

}  // namespace triptych::worker
