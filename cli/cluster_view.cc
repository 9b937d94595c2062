#include "cli/cluster_view.h"

#include "cli/client.h"
#include "common/rpc/grpc_status.h"
#include "triptych/internal/v1/cluster.grpc.pb.h"

namespace triptych::cli {

StatusOr<internal::v1::ClusterUpdate> ReadView(const std::string& coordinator, const Access& access) {
  const auto stub = internal::v1::Cluster::NewStub(OpenChannel(coordinator, access));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  internal::v1::WatchRequest request;
  request.set_watcher("triptych status");
  const auto reader = stub->Watch(&context, request);
  internal::v1::ClusterUpdate update;
  const bool read = reader->Read(&update);
  context.TryCancel();
  const Status status = FromGrpc(reader->Finish());
  if (!read) return status.ok() ? Unavailable("the coordinator gave no view") : status;
  return update;
}

}  // namespace triptych::cli
