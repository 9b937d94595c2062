#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/config/endpoint.h"
#include "common/status.h"

namespace triptych {

// A gRPC server as all our processes run it: keepalive, message cap, stream cap, grpc.health.v1, reflection.
// Start, SetServing, Drain (no new calls: GOAWAY), Stop; Stop is idempotent and from any state.
class RpcServer {
 public:
  struct Options {
    Endpoint listen;                 // port 0 takes a free one
    int max_message_bytes;           // both directions, after decompression
    int max_streams_per_connection;
    bool reflection = true;
    // Clients may be far away, and some do not answer pings while they have no call (those whose library reads only then): they are pinged
    // seldom, and never while idle. Our own processes notice a dead peer within two seconds.
    bool for_clients = false;
    std::shared_ptr<grpc::ServerCredentials> credentials = nullptr;  // null: without TLS
  };
  explicit RpcServer(Options options);
  ~RpcServer();

  void AddService(grpc::Service* service);  // not owned; before Start
  Status Start();                           // kFailedPrecondition names the address when the port is in use
  int port() const;                         // the bound one, after Start
  // The answer of grpc.health.v1 for "" (the whole process). NOT_SERVING until told otherwise.
  void SetServing(bool serving);
  void Stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triptych
