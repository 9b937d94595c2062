#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include "common/async/io_runtime.h"
#include "common/async/task.h"
#include "common/clock.h"
#include "common/status.h"

namespace triptych {

// What a handler may know of the call it serves, without gRPC's types.
struct CallInfo {
  std::string peer;
  TimePoint deadline = TimePoint::max();
  std::string trace_parent;  // W3C traceparent header, or empty
  std::string credentials;   // the authorization header, or empty: the tenant is derived from it and from nothing else
};

// The server's side of a stream, for a handler coroutine that runs on a strand of its own. One Read and one Write outstanding
// at a time. Cancellation (client gone, deadline, Cancel) makes Read give nothing and Write false, and runs the OnCancel hook once.
// Request or Response may be void-like for one-directional streams (see the Serve functions).
template <typename Request, typename Response>
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  virtual const CallInfo& info() const = 0;
  virtual const Strand& strand() const = 0;
  virtual Task<std::optional<Request>> Read() = 0;  // nothing: half-closed or cancelled
  virtual Task<bool> Write(Response response) = 0;  // false: nobody reads any more
  virtual bool cancelled() const = 0;               // any thread
  virtual void OnCancel(std::function<void()> hook) = 0;  // runs on the strand; at once if already cancelled
};

// Each returns the reactor for a CallbackService method and runs `handler` on a new strand of `runtime`; its Status ends the call
// (with ErrorInfo details, see grpc_status.h). A handler that returns early ends a stream whose client still writes.
//
//   grpc::ServerBidiReactor<Q, R>* Decode(grpc::CallbackServerContext* context) override {
//     return ServeBidi<Q, R>(runtime_, context, [this](std::shared_ptr<ServerStream<Q, R>> stream) { return Run(stream); });
//   }
template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* ServeBidi(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>)> handler);

// One request, many responses: Read gives nothing.
template <typename Request, typename Response>
grpc::ServerWriteReactor<Response>* ServeWriter(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    const Request* request,
    std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>, Request)> handler);

// Many requests, one response: Write stores nothing; the handler returns the response.
template <typename Request, typename Response>
grpc::ServerReadReactor<Request>* ServeReader(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    Response* response,
    std::function<Task<StatusOr<Response>>(std::shared_ptr<ServerStream<Request, Response>>)> handler);

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ServeUnary(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    const Request* request,
    Response* response,
    std::function<Task<StatusOr<Response>>(CallInfo, Request)> handler);

}  // namespace triptych
