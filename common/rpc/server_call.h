#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_callback.h>

#include "common/async/io_runtime.h"
#include "common/async/task.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/server_reactors.h"
#include "common/rpc/server_stream.h"
#include "common/status.h"

namespace triptych {

// Each returns the reactor for a CallbackService method and runs `handler` on a new strand of `runtime`; its Status ends the call
// (with ErrorInfo details, see grpc_status.h); a call that `gate` refuses ends with that. A handler that returns early ends a stream
// whose client still writes. An exception that leaves a handler is our bug: it is logged, and answered with kInternal for this call alone.
//
//   grpc::ServerBidiReactor<Q, R>* Decode(grpc::CallbackServerContext* context) override {
//     return ServeBidi<Q, R>(runtime_, context, [this](std::shared_ptr<ServerStream<Q, R>> stream) { return Run(stream); });
//   }
template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* ServeBidi(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>)> handler) {
  return internal::BidiCall<Request, Response>::Start(runtime, CallInfo::Of(*context), std::move(handler));
}

// One request, many responses: Read gives nothing.
template <typename Request, typename Response>
grpc::ServerWriteReactor<Response>* ServeWriter(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    const Request* request,
    std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>, Request)> handler,
    const CallGate& gate = {}) {
  CallInfo info = CallInfo::Of(*context);
  handler = internal::Gated<Status>(gate, info, std::move(handler));
  return internal::WriterCall<Request, Response>::Start(runtime, std::move(info), *request, std::move(handler));
}

// Many requests, one response: Write gives false; the handler returns the response.
template <typename Request, typename Response>
grpc::ServerReadReactor<Request>* ServeReader(
    IoRuntime& runtime,
    grpc::CallbackServerContext* context,
    Response* response,
    std::function<Task<StatusOr<Response>>(std::shared_ptr<ServerStream<Request, Response>>)> handler,
    const CallGate& gate = {}) {
  CallInfo info = CallInfo::Of(*context);
  handler = internal::Gated<StatusOr<Response>>(gate, info, std::move(handler));
  return internal::ReaderCall<Request, Response>::Start(runtime, std::move(info), response, std::move(handler));
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ServeUnary(IoRuntime& runtime,
                                     grpc::CallbackServerContext* context,
                                     const Request* request,
                                     Response* response,
                                     std::function<Task<StatusOr<Response>>(CallInfo, Request)> handler,
                                     const CallGate& gate = {}) {
  CallInfo info = CallInfo::Of(*context);
  handler = internal::Gated<StatusOr<Response>>(gate, info, std::move(handler));
  const Strand strand = runtime.MakeStrand();
  auto* call = new internal::UnaryCall<Response>();
  IoRuntime::Spawn(strand,
                   internal::UnaryCall<Response>::Serve(call, response, std::move(handler), std::move(info), *request));
  return call;
}

}  // namespace triptych
