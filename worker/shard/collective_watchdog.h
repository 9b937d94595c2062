#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/status.h"

namespace triptych::shard {

// A thread that looks, several times within `limit`, how long a rank has been waiting for others in
// a collective, and says so once when it is longer than that. Ranks do equal work between
// collectives, so a long wait means that another rank is dead or stopped.
class CollectiveWatchdog {
 public:
  // Both are called on the watchdog's thread. `longest_wait` gives zero when nobody waits.
  CollectiveWatchdog(Duration limit,
                     std::function<Duration()> longest_wait,
                     std::function<void(const Status&)> on_stall);
  ~CollectiveWatchdog();

  void Start();
  void Stop();  // idempotent; not from `on_stall`

 private:
  void Run();

  const Duration limit_;
  const std::function<Duration()> longest_wait_;
  const std::function<void(const Status&)> on_stall_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace triptych::shard
