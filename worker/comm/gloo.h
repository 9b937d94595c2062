#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "worker/comm/communicator.h"
#include "worker/comm/rendezvous.h"

namespace triptych::comm {

struct GlooOptions {
  int rank = 0;
  int size = 1;
  std::string host = "127.0.0.1";            // this rank's address: what it listens on and tells the others
  std::chrono::milliseconds timeout{10'000};  // of connecting, and of each collective
};

// Between CPU ranks of several processes, by libtorch's own Gloo. All-reduce gathers all parts and adds them in rank order, since Gloo's own
// order hangs on the size of the tensor: the bits equal those of MakeLocalGroup. A dead peer is noticed at once. Gloo cannot be woken: after
// Abort a blocked rank throws when its peers leave, or after the timeout, and every later call throws at once. The rendezvous must outlive
// the call only. Where SIGPIPE would end the process, the process ignores it from the first call on. kUnavailable or kDeadlineExceeded when the ranks do not meet.
StatusOr<std::unique_ptr<Communicator>> ConnectGloo(const GlooOptions& options, Rendezvous* rendezvous);

}  // namespace triptych::comm
