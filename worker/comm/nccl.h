#pragma once

#include <chrono>
#include <memory>

#include "worker/comm/communicator.h"
#include "worker/comm/rendezvous.h"

namespace triptych::comm {

struct NcclOptions {
  int rank = 0;
  int size = 1;
  std::chrono::milliseconds timeout{60'000};  // of connecting
};

// Between CUDA ranks of one process or several, each on a thread and a device of its own: the device that is current on the calling thread. Rank 0
// puts NCCL's unique id into the rendezvous, which must outlive the call only. kUnavailable or kDeadlineExceeded when the ranks do not meet,
// kFailedPrecondition in a build without CUDA.
//
// Sums. All-reduce gathers all parts and adds them in rank order in float32, rounding once, since the order of NCCL's own all-reduce hangs on
// topology and size: the bits are those that any transport gives for the same parts. The price: each rank receives (size - 1) times the data, where
// a ring all-reduce moves 2 (size - 1) / size times: the same for 2 ranks, twice for 4, four times for 8; and size - 1 additions over the data. For
// the few rows of decode steps latency counts, and that is less: one step of communication in place of two.
//
// Where a rank waits. Collectives are put on the current stream. AllReduceSum returns once no more than kMaxInFlight of them are unfinished, so that
// the host keeps launching while the device works; AllGather and Broadcast return when everything has finished. As every step ends in an AllGather
// (the logits), a peer that hangs or dies shows as a rank that stays inside a collective, which is what watchdogs look for, not as one that is
// blocked somewhere in libtorch. Waiting is polling, of NCCL's errors too: a core for each rank. It has no limit of its own.
//
// NCCL's calls never block here (config.blocking = 0), at the price of a short-lived thread in NCCL for each collective. Abort gives the
// communicator up at once, from any thread: kernels on the device end, the rank throws. Other ranks learn of it from their own Abort.
StatusOr<std::unique_ptr<Communicator>> ConnectNccl(const NcclOptions& options, Rendezvous* rendezvous);

}  // namespace triptych::comm
