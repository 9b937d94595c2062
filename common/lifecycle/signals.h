#pragma once

#include <sys/types.h>

#include <optional>

#include "common/clock.h"
#include "common/status.h"

namespace triptych {

// SIGTERM and SIGINT as values, on a thread that waits for them. Construct first in main(), before any other thread starts: the
// signals are blocked in every thread made after.
class SignalWaiter {
 public:
  SignalWaiter();
  ~SignalWaiter();
  int Wait();        // blocks until a signal or Wake(); gives the signal's number, 0 for Wake
  std::optional<int> WaitUntil(TimePoint deadline);  // nothing: the deadline has passed
  void Wake();       // any thread

 private:
  int event_fd_;
  int signal_fd_;
};

// Makes the kernel kill this process when `parent` ends. Fails if the parent is gone already. For children of `triptych serve`.
Status DieWithParent(pid_t parent);

}  // namespace triptych
