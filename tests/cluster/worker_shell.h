#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/cluster/worker_link.h"
#include "common/rpc/server.h"
#include "tests/cluster/surroundings.h"

namespace triptych::cluster_test {

// What makes a part of a test a worker for the others: a server of its own and a stream to the coordinator, on which it is READY at once.
class WorkerShell {
 public:
  WorkerShell(const Surroundings& around, std::string id, uint64_t incarnation, internal::v1::WorkerRole role);
  ~WorkerShell() { Stop(); }

  void Start(grpc::Service* service, std::function<void(internal::v1::Heartbeat&)> report);
  // As if its process had died: connections break. The coordinator is not told, so that routers still believe in it.
  // Returns at once; calls that the service does not let go keep a thread waiting until Stop.
  void Kill();
  void Stop();  // idempotent; waits for the service's calls

  const std::string& id() const { return id_; }
  const std::string& address() const { return address_; }
  uint64_t incarnation() const { return incarnation_; }
  bool told_to_stop() const { return told_to_stop_; }  // by the coordinator

 private:
  internal::v1::Register MakeRegistration() const;

  const Surroundings around_;
  const std::string id_;
  const uint64_t incarnation_;
  const internal::v1::WorkerRole role_;
  std::string address_;
  std::atomic<bool> told_to_stop_{false};
  RpcServer server_;
  std::unique_ptr<WorkerLink> link_;
  std::thread killer_;
};

}  // namespace triptych::cluster_test
