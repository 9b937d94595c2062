#include "common/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include "common/check.h"
#include "common/limits.h"
#include "common/rpc/callback_threads.h"

namespace triptych {

struct RpcServer::Impl {
  Options options;
  std::vector<grpc::Service*> services;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

RpcServer::RpcServer(Options options) : impl_(std::make_unique<Impl>()) { impl_->options = std::move(options); }

RpcServer::~RpcServer() { Stop(std::chrono::milliseconds(0)); }

void RpcServer::AddService(grpc::Service* service) {
  TRIPTYCH_CHECK(impl_->server == nullptr);
  impl_->services.push_back(service);
}

Status RpcServer::Start() {
  grpc::EnableDefaultHealthCheckService(true);
  if (impl_->options.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  const std::string address = impl_->options.listen.ToString();
  const auto& credentials = impl_->options.credentials;
  builder.AddListeningPort(address, credentials ? credentials : grpc::InsecureServerCredentials(), &impl_->port);
  builder.SetMaxReceiveMessageSize(impl_->options.max_message_bytes);
  builder.SetMaxSendMessageSize(impl_->options.max_message_bytes);
  KeepCallbackThreads();
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, impl_->options.max_streams_per_connection);
  const bool for_clients = impl_->options.for_clients;
  const auto ping = for_clients ? kClientKeepalivePing : kKeepalivePing, ack = for_clients ? kClientKeepaliveAck : kKeepaliveAck;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(ping.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(ack.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, for_clients ? 0 : 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             static_cast<int>(kKeepaliveServerMinimum.count()));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  for (grpc::Service* service : impl_->services) builder.RegisterService(service);
  impl_->server = builder.BuildAndStart();
  if (impl_->server == nullptr || impl_->port == 0) {
    return FailedPrecondition("cannot listen on {}: the address is in use or not this machine's", address);
  }
  SetServing(false);
  return OkStatus();
}

int RpcServer::port() const { return impl_->port; }

void RpcServer::SetServing(bool serving) {
  if (impl_->server != nullptr) impl_->server->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::Stop(std::chrono::milliseconds grace) {
  if (impl_->server == nullptr) return;
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  impl_->server->Wait();
  impl_->server.reset();
}

}  // namespace triptych
