#pragma once

#include <memory>
#include <string>

#include "common/async/change_signal.h"
#include "common/async/io_runtime.h"
#include "common/clock.h"
#include "common/rpc/server.h"
#include "coordinator/membership.h"
#include "coordinator/membership_service.h"
#include "coordinator/rendezvous_store.h"

namespace triptych::cluster_test {

// A coordinator that can be stopped and comes back at the same address, knowing nothing. Time alone never changes its view: leases last
// longer than any test.
class LocalCoordinator {
 public:
  explicit LocalCoordinator(IoRuntime* runtime);
  ~LocalCoordinator() { Stop(); }

  void Start();  // under a new incarnation
  void Stop();
  std::string address() const { return listen_.ToString(); }
  uint64_t incarnation() const { return 1000 + incarnation_; }  // of the latest start
  internal::v1::ClusterUpdate View() const { return parts_->membership.UpdateSince(0); }

 private:
  struct Parts {
    Parts(IoRuntime* runtime, const Clock* clock, const Endpoint& listen, uint64_t incarnation);
    ChangeSignal changes;
    coordinator::RendezvousStore values;
    coordinator::Membership membership;
    coordinator::MembershipService service;
    RpcServer server;
  };
  IoRuntime& runtime_;
  SteadyClock clock_;
  Endpoint listen_;
  uint64_t incarnation_ = 0;
  std::unique_ptr<Parts> parts_;
};

}  // namespace triptych::cluster_test
