#pragma once

#include <atomic>

#include "common/clock.h"

namespace triptych::fakes {

// Time as the test says it. Thread-safe.
class ManualClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(Duration(ticks_.load())); }
  void Advance(Duration by) { ticks_ += by.count(); }

 private:
  std::atomic<Duration::rep> ticks_{1'000'000'000};
};

}  // namespace triptych::fakes
