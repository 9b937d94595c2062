#pragma once

#include <memory>

#include <boost/asio/steady_timer.hpp>

#include "common/async/io_runtime.h"
#include "common/rpc/server_call.h"
#include "common/async/change_signal.h"
#include "coordinator/membership.h"
#include "coordinator/rendezvous_store.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych::coordinator {

// The Cluster service over a Membership and a RendezvousStore. All arguments outlive it.
class MembershipService final : public internal::v1::Cluster::CallbackService {
 public:
  MembershipService(IoRuntime* runtime, Membership* membership, RendezvousStore* values, ChangeSignal* changes)
      : runtime_(*runtime), membership_(*membership), values_(*values), changes_(*changes) {}

  grpc::ServerBidiReactor<internal::v1::WorkerMessage, internal::v1::WorkerCommand>* Join(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<internal::v1::ClusterUpdate>* Watch(grpc::CallbackServerContext* context,
                                                               const internal::v1::WatchRequest* request) override;
  grpc::ServerUnaryReactor* PutValue(grpc::CallbackServerContext* context,
                                     const internal::v1::PutValueRequest* request,
                                     internal::v1::PutValueResponse* response) override;
  grpc::ServerUnaryReactor* GetValue(grpc::CallbackServerContext* context,
                                     const internal::v1::GetValueRequest* request,
                                     internal::v1::GetValueResponse* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const internal::v1::DrainRequest* request,
                                  internal::v1::DrainResponse* response) override;

 private:
  using JoinStream = ServerStream<internal::v1::WorkerMessage, internal::v1::WorkerCommand>;
  using WatchStream = ServerStream<internal::v1::WatchRequest, internal::v1::ClusterUpdate>;
  static Task<Status> RunJoin(MembershipService* self, std::shared_ptr<JoinStream> stream);
  static Task<Status> RunWatch(MembershipService* self, std::shared_ptr<WatchStream> stream);
  static Task<StatusOr<internal::v1::GetValueResponse>> RunGet(MembershipService* self,
                                                               TimePoint deadline,
                                                               internal::v1::GetValueRequest request);

  IoRuntime& runtime_;
  Membership& membership_;
  RendezvousStore& values_;
  ChangeSignal& changes_;
};

}  // namespace triptych::coordinator
