#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "common/async/io_runtime.h"
#include "common/rpc/channel_pool.h"
#include "common/status.h"
#include "triptych/internal/v1/cluster.pb.h"

namespace triptych {

// A worker's stream to the coordinator: registers, sends heartbeats, hands commands on, and comes back with jittered pauses after every
// break. Callbacks run on the link's strand and must not block. Start, Stop (idempotent; its stream is over then, and no callback comes after
// it; before the runtime's Stop).
class WorkerLink {
 public:
  struct Callbacks {
    std::function<internal::v1::Register()> registration;  // at every (re)connect
    std::function<internal::v1::Heartbeat()> report;
    std::function<void(internal::v1::WorkerCommand)> on_command;  // all but leases
    std::function<void(Status)> on_refused;  // the coordinator will never take this incarnation
  };
  WorkerLink(IoRuntime* runtime, ChannelPool* channels, std::string coordinator, Callbacks callbacks);
  ~WorkerLink();
  void Start();
  void ReportNow();  // any thread: a state has changed
  void Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool started_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace triptych
