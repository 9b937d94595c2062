#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include "common/async/handoff.h"
#include "common/async/task.h"
#include "common/clock.h"
#include "common/rpc/grpc_status.h"
#include "common/status.h"

namespace triptych {

// What every outgoing call carries. The deadline is a must; streams that live as long as a process say kForever.
struct CallOptions {
  static constexpr TimePoint kForever = TimePoint::max();
  TimePoint deadline;
  std::vector<std::pair<std::string, std::string>> metadata;  // for example traceparent

  void ApplyTo(grpc::ClientContext& context) const;
};

// One unary call as a coroutine. `start` begins it on a stub:
//   auto reply = co_await CallUnary<EncodeResponse>(options, request,
//       [stub](auto* context, auto* request, auto* response, auto done) {
//         stub->async()->Encode(context, request, response, std::move(done)); });
// Cancelling the awaiting coroutine (asio cancellation) cancels the call. Errors are the peer's status, kUnavailable for a dead
// peer, kDeadlineExceeded. Runs on the awaiting coroutine's executor before and after.
template <typename Response, typename Request, typename Start>
Task<StatusOr<Response>> CallUnary(CallOptions options, Request request, Start start) {
  struct State {
    grpc::ClientContext context;
    Request request;
    Response response;
    Handoff<grpc::Status> done;
  };
  auto state = std::make_shared<State>();
  options.ApplyTo(state->context);
  state->request = std::move(request);
  start(&state->context, &state->request, &state->response, std::function<void(grpc::Status)>([state](grpc::Status status) {
    state->done.Set(std::move(status));
  }));
  Task<grpc::Status> done = state->done.Await([state] { state->context.TryCancel(); });
  const grpc::Status status = co_await std::move(done);
  if (!status.ok()) co_return FromGrpc(status);
  co_return std::move(state->response);
}

// A bidirectional call as a coroutine-friendly object. One Read and one Write may be outstanding at the same time, each awaited by one
// coroutine. Used from one strand, except Cancel. Dropping the last reference cancels the call; what gRPC still needs lives on.
template <typename Request, typename Response>
class ClientStream {
 public:
  using Reactor = grpc::ClientBidiReactor<Request, Response>;
  // `start` begins the call: [stub](grpc::ClientContext* c, Reactor* r) { stub->async()->Decode(c, r); }
  static std::shared_ptr<ClientStream> Start(CallOptions options, std::function<void(grpc::ClientContext*, Reactor*)> start) {
    auto call = std::make_shared<Call>();
    call->self = call;
    options.ApplyTo(call->context);
    start(&call->context, call.get());
    call->AddHold();  // until Finish: so that operations may be started whatever the peer has done
    call->StartCall();
    return std::shared_ptr<ClientStream>(new ClientStream(std::move(call)));
  }

  ~ClientStream() {
    if (finished_) return;
    call_->context.TryCancel();
    call_->RemoveHold();
  }

  // False: the stream is broken, Finish() tells why.
  Task<bool> Write(Request request) {
    const std::shared_ptr<Call> call = call_;
    call->request = std::move(request);
    call->StartWrite(&call->request);
    const bool ok = co_await call->write_done.Await();
    co_return ok;
  }

  // Nothing: the peer is done or gone, Finish() tells which.
  Task<std::optional<Response>> Read() {
    const std::shared_ptr<Call> call = call_;
    call->StartRead(&call->response);
    const bool ok = co_await call->read_done.Await();
    if (!ok) co_return std::nullopt;
    co_return std::move(call->response);
  }

  // Once, after Read gave nothing or after Cancel, with no operation outstanding.
  Task<Status> Finish() {
    const std::shared_ptr<Call> call = call_;
    finished_ = true;
    call->RemoveHold();
    const grpc::Status status = co_await call->done.Await();
    co_return FromGrpc(status);
  }

  void Cancel() { call_->context.TryCancel(); }  // any thread, any time, idempotent

 private:
  struct Call final : Reactor {
    void OnReadDone(bool ok) override { read_done.Set(ok); }
    void OnWriteDone(bool ok) override { write_done.Set(ok); }
    void OnDone(const grpc::Status& status) override {
      const std::shared_ptr<Call> last = std::move(self);
      done.Set(status);
    }
    grpc::ClientContext context;
    Request request;
    Response response;
    Handoff<bool> read_done, write_done;
    Handoff<grpc::Status> done;
    std::shared_ptr<Call> self;  // until OnDone
  };
  explicit ClientStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  const std::shared_ptr<Call> call_;
  bool finished_ = false;
};

// A server-streaming call: one request, many responses. As ClientStream, without Write.
template <typename Response>
class ClientReader {
 public:
  using Reactor = grpc::ClientReadReactor<Response>;
  // `start` begins the call with a request that outlives it:
  //   auto request = std::make_shared<WatchRequest>(); [stub, request](auto* c, auto* r) { stub->async()->Watch(c, request.get(), r); }
  // The function is kept until the call is over.
  static std::shared_ptr<ClientReader> Start(CallOptions options, std::function<void(grpc::ClientContext*, Reactor*)> start) {
    auto call = std::make_shared<Call>();
    call->self = call;
    call->start = std::move(start);
    options.ApplyTo(call->context);
    call->start(&call->context, call.get());
    call->AddHold();
    call->StartCall();
    return std::shared_ptr<ClientReader>(new ClientReader(std::move(call)));
  }

  ~ClientReader() {
    if (finished_) return;
    call_->context.TryCancel();
    call_->RemoveHold();
  }

  Task<std::optional<Response>> Read() {
    const std::shared_ptr<Call> call = call_;
    call->StartRead(&call->response);
    const bool ok = co_await call->read_done.Await();
    if (!ok) co_return std::nullopt;
    co_return std::move(call->response);
  }

  Task<Status> Finish() {
    const std::shared_ptr<Call> call = call_;
    finished_ = true;
    call->RemoveHold();
    const grpc::Status status = co_await call->done.Await();
    co_return FromGrpc(status);
  }

  void Cancel() { call_->context.TryCancel(); }

 private:
  struct Call final : Reactor {
    void OnReadDone(bool ok) override { read_done.Set(ok); }
    void OnDone(const grpc::Status& status) override {
      const std::shared_ptr<Call> last = std::move(self);
      done.Set(status);
    }
    grpc::ClientContext context;
    Response response;
    Handoff<bool> read_done;
    Handoff<grpc::Status> done;
    std::function<void(grpc::ClientContext*, Reactor*)> start;
    std::shared_ptr<Call> self;  // until OnDone
  };
  explicit ClientReader(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  const std::shared_ptr<Call> call_;
  bool finished_ = false;
};

}  // namespace triptych
