#pragma once

#include <functional>

#include <boost/asio/thread_pool.hpp>

#include "common/async/task.h"
#include "common/clock.h"

namespace triptych {

// The threads on which sessions and tables run, each on its own strand. Nothing on them may block.
// Legal order: construct, use, Stop (idempotent; also by the destructor). Stop waits for running handlers, not for timers. The destructor drops
// what still waits. Strands stay valid for ever: a callback of gRPC may let go of one when all else is over.
class IoRuntime {
 public:
  explicit IoRuntime(int num_threads);
  ~IoRuntime();
  IoRuntime(const IoRuntime&) = delete;
  IoRuntime& operator=(const IoRuntime&) = delete;

  asio::any_io_executor executor();
  Strand MakeStrand();
  // Starts a coroutine on an executor. An exception that leaves it is our bug and ends the process.
  static void Spawn(asio::any_io_executor executor, Task<void> task);
  void Stop();

 private:
  class Pool;
  Pool& pool_;  // never freed
};

// Completes at `when`. The awaiting coroutine's cancellation ends it early (returns false).
Task<bool> SleepUntil(TimePoint when);
Task<bool> SleepFor(Duration duration);

}  // namespace triptych
