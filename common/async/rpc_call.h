#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "common/async/task.h"
#include "common/clock.h"
#include "common/status.h"

namespace triptych {

// What every outgoing call carries. The deadline is a must; streams that live as long as a process say kForever.
struct CallOptions {
  static constexpr TimePoint kForever = TimePoint::max();
  TimePoint deadline;
  std::vector<std::pair<std::string, std::string>> metadata;  // for example traceparent
};

// One unary call as a coroutine. `start` begins it on a stub:
//   auto reply = co_await CallUnary<EncodeResponse>(options, request,
//       [stub](auto* context, auto* request, auto* response, auto done) {
//         stub->async()->Encode(context, request, response, std::move(done)); });
// Cancelling the awaiting coroutine (asio cancellation) cancels the call. Errors are the peer's status, kUnavailable for a dead
// peer, kDeadlineExceeded. Runs on the awaiting coroutine's executor before and after.
template <typename Response, typename Request, typename Start>
Task<StatusOr<Response>> CallUnary(CallOptions options, Request request, Start start);

// A bidirectional call (or, with WritesDone at once, a server stream) as a coroutine-friendly object. One Read and one Write may
// be outstanding at the same time, each awaited by one coroutine. Used from one strand, except Cancel. The object keeps itself
// alive until gRPC is through with it; dropping the last outside reference cancels the call.
template <typename Request, typename Response>
class ClientStream : public std::enable_shared_from_this<ClientStream<Request, Response>> {
 public:
  using Reactor = grpc::ClientBidiReactor<Request, Response>;
  // `start` begins the call: [stub](grpc::ClientContext* c, Reactor* r) { stub->async()->Decode(c, r); }
  static std::shared_ptr<ClientStream> Start(asio::any_io_executor executor,
                                             CallOptions options,
                                             std::function<void(grpc::ClientContext*, Reactor*)> start);

  Task<bool> Write(Request request);         // false: the stream is broken, Finish() tells why
  Task<std::optional<Response>> Read();      // nothing: the peer is done or gone, Finish() tells which
  Task<Status> Finish();                     // after Read gave nothing; half-closes if need be. Once.
  void Cancel();                             // any thread, any time, idempotent
};

// A server-streaming call: one request, many responses. As ClientStream, without Write.
template <typename Response>
class ClientReader : public std::enable_shared_from_this<ClientReader<Response>> {
 public:
  using Reactor = grpc::ClientReadReactor<Response>;
  // `start` begins the call with a request that it owns: [stub, request](auto* c, auto* r) { stub->async()->Watch(c, &request, r); }
  static std::shared_ptr<ClientReader> Start(asio::any_io_executor executor,
                                             CallOptions options,
                                             std::function<void(grpc::ClientContext*, Reactor*)> start);
  Task<std::optional<Response>> Read();
  Task<Status> Finish();
  void Cancel();
};

}  // namespace triptych
