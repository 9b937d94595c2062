#pragma once

#include <chrono>

namespace triptych {

// Monotonic everywhere: wall-clock time never decides anything, it only appears in logs.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// Injected wherever code measures or waits, so that tests own the time (tests/fakes/manual_clock.h). Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace triptych
