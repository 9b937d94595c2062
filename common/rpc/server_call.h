#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_callback.h>

#include "common/async/handoff.h"
#include "common/async/io_runtime.h"
#include "common/async/task.h"
#include "common/clock.h"
#include "common/rpc/grpc_status.h"
#include "common/status.h"

namespace triptych {

// What a handler may know of the call it serves, without gRPC's types.
struct CallInfo {
  std::string peer;
  TimePoint deadline = TimePoint::max();
  std::string trace_parent;  // W3C traceparent header, or empty
  std::string credentials;   // the authorization header, or empty
  std::string tenant;        // who the call is for, as its service's gate says: derived from the credentials and from nothing else

  static CallInfo Of(const grpc::CallbackServerContext& context);
};

// Says whether a call is served, before anything of it is looked at, and whose it is (`tenant`). Called on any thread; must not block.
// Empty: all are.
using CallGate = std::function<Status(CallInfo&)>;

// The server's side of a stream, for a handler coroutine that runs on a strand of its own. One Read and one Write outstanding
// at a time. Cancellation (client gone, deadline) makes Read give nothing and Write false, and runs the OnCancel hook once.
template <typename Request, typename Response>
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  virtual const CallInfo& info() const = 0;
  virtual const Strand& strand() const = 0;
  virtual Task<std::optional<Request>> Read() = 0;  // nothing: half-closed, cancelled or over
  virtual Task<bool> Write(Response response) = 0;  // false: nobody reads any more
  virtual bool cancelled() const = 0;               // any thread
  virtual void OnCancel(std::function<void()> hook) = 0;  // runs on the strand; at once if already cancelled
};

namespace internal {

// What the four kinds of call share: one call on one strand, from its context to its end.
class ServerCallCore {
 public:
  ServerCallCore(IoRuntime& runtime, CallInfo info) : info_(std::move(info)), strand_(runtime.MakeStrand()) {}

  const CallInfo info_;
  const Strand strand_;
  std::atomic<bool> cancelled_{false};
  bool finished_ = false;             // strand only, as below
  std::function<void()> on_cancel_;

  void Hook(std::function<void()> hook) {
    on_cancel_ = std::move(hook);
    if (cancelled_) RunHook();
  }
  void RunHook() {
    if (auto hook = std::exchange(on_cancel_, nullptr)) asio::post(strand_, std::move(hook));
  }
};

// Says which exception left a handler, in the log, and gives the client's status: an error belongs to one request.
Status HandlerThrew(const std::exception& exception);

// Runs a handler to its status, whatever it does.
template <typename Result, typename Handler, typename... Args>
Task<Result> RunGuarded(Handler handler, Args... args) {
  std::optional<Status> failure;
  try {
    Task<Result> task = handler(std::move(args)...);
    Result result = co_await std::move(task);
    co_return std::move(result);
  } catch (const std::exception& exception) {
    failure = HandlerThrew(exception);
  }
  co_return *failure;
}

template <typename Result>
Task<Result> EndWith(Status status) {
  co_return status;
}

// `handler`, or one that ends with the gate's refusal.
template <typename Result, typename Handler>
Handler Gated(const CallGate& gate, CallInfo& info, Handler handler) {
  const Status status = gate ? gate(info) : OkStatus();
  if (status.ok()) return handler;
  return [status](const auto&...) { return EndWith<Result>(status); };
}

template <typename Request, typename Response>
class BidiCall final : public grpc::ServerBidiReactor<Request, Response>, public ServerStream<Request, Response> {
 public:
  using Handler = std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>)>;

  static BidiCall* Start(IoRuntime& runtime, CallInfo info, Handler handler) {
    auto call = std::make_shared<BidiCall>(runtime, std::move(info));
    call->self_ = call;
    IoRuntime::Spawn(call->core_.strand_, Serve(call, std::move(handler)));
    return call.get();
  }
  BidiCall(IoRuntime& runtime, CallInfo info) : core_(runtime, std::move(info)) {}

  const CallInfo& info() const override { return core_.info_; }
  const Strand& strand() const override { return core_.strand_; }
  bool cancelled() const override { return core_.cancelled_; }
  void OnCancel(std::function<void()> hook) override { core_.Hook(std::move(hook)); }
  Task<std::optional<Request>> Read() override {
    const std::shared_ptr<BidiCall> self = self_;
    if (core_.finished_ || !self) co_return std::nullopt;
    this->StartRead(&request_);
    const bool ok = co_await read_done_.Await();
    if (!ok) co_return std::nullopt;
    co_return std::move(request_);
  }
  Task<bool> Write(Response response) override {
    const std::shared_ptr<BidiCall> self = self_;
    if (core_.finished_ || core_.cancelled_ || !self) co_return false;
    response_ = std::move(response);
    this->StartWrite(&response_);
    const bool ok = co_await write_done_.Await();
    co_return ok;
  }

 private:
  static Task<void> Serve(std::shared_ptr<BidiCall> call, Handler handler) {
    Task<Status> task = RunGuarded<Status>(std::move(handler), std::shared_ptr<ServerStream<Request, Response>>(call));
    const Status status = co_await std::move(task);
    call->core_.finished_ = true;
    call->Finish(ToGrpc(status));
  }
  void OnReadDone(bool ok) override { read_done_.Set(ok); }
  void OnWriteDone(bool ok) override { write_done_.Set(ok); }
  void OnCancel() override {
    core_.cancelled_ = true;
    asio::post(core_.strand_, [self = self_] { self->core_.RunHook(); });
  }
  // All operations are over; posted, so that what runs on the strand sees the end of self_ between its own steps.
  void OnDone() override {
    asio::post(core_.strand_, [self = self_]() mutable {
      self->self_.reset();
    });
  }

  ServerCallCore core_;
  Request request_;
  Response response_;
  Handoff<bool> read_done_, write_done_;
  std::shared_ptr<BidiCall> self_;  // until OnDone
};

template <typename Request, typename Response>
class WriterCall final : public grpc::ServerWriteReactor<Response>, public ServerStream<Request, Response> {
 public:
  using Handler = std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>, Request)>;

  static WriterCall* Start(IoRuntime& runtime, CallInfo info, Request request, Handler handler) {
    auto call = std::make_shared<WriterCall>(runtime, std::move(info));
    call->self_ = call;
    IoRuntime::Spawn(call->core_.strand_, Serve(call, std::move(request), std::move(handler)));
    return call.get();
  }
  WriterCall(IoRuntime& runtime, CallInfo info) : core_(runtime, std::move(info)) {}

  const CallInfo& info() const override { return core_.info_; }
  const Strand& strand() const override { return core_.strand_; }
  bool cancelled() const override { return core_.cancelled_; }
  void OnCancel(std::function<void()> hook) override { core_.Hook(std::move(hook)); }
  Task<std::optional<Request>> Read() override { co_return std::nullopt; }
  Task<bool> Write(Response response) override {
    const std::shared_ptr<WriterCall> self = self_;
    if (core_.finished_ || core_.cancelled_ || !self) co_return false;
    response_ = std::move(response);
    this->StartWrite(&response_);
    const bool ok = co_await write_done_.Await();
    co_return ok;
  }

 private:
  static Task<void> Serve(std::shared_ptr<WriterCall> call, Request request, Handler handler) {
    Task<Status> task = RunGuarded<Status>(
        std::move(handler), std::shared_ptr<ServerStream<Request, Response>>(call), std::move(request));
    const Status status = co_await std::move(task);
    call->core_.finished_ = true;
    call->Finish(ToGrpc(status));
  }
  void OnWriteDone(bool ok) override { write_done_.Set(ok); }
  void OnCancel() override {
    core_.cancelled_ = true;
    asio::post(core_.strand_, [self = self_] { self->core_.RunHook(); });
  }
  void OnDone() override {
    asio::post(core_.strand_, [self = self_] { self->self_.reset(); });
  }

  ServerCallCore core_;
  Response response_;
  Handoff<bool> write_done_;
  std::shared_ptr<WriterCall> self_;  // until OnDone
};

template <typename Request, typename Response>
class ReaderCall final : public grpc::ServerReadReactor<Request>, public ServerStream<Request, Response> {
 public:
  using Handler = std::function<Task<StatusOr<Response>>(std::shared_ptr<ServerStream<Request, Response>>)>;

  static ReaderCall* Start(IoRuntime& runtime, CallInfo info, Response* response, Handler handler) {
    auto call = std::make_shared<ReaderCall>(runtime, std::move(info));
    call->self_ = call;
    IoRuntime::Spawn(call->core_.strand_, Serve(call, response, std::move(handler)));
    return call.get();
  }
  ReaderCall(IoRuntime& runtime, CallInfo info) : core_(runtime, std::move(info)) {}

  const CallInfo& info() const override { return core_.info_; }
  const Strand& strand() const override { return core_.strand_; }
  bool cancelled() const override { return core_.cancelled_; }
  void OnCancel(std::function<void()> hook) override { core_.Hook(std::move(hook)); }
  Task<std::optional<Request>> Read() override {
    const std::shared_ptr<ReaderCall> self = self_;
    if (core_.finished_ || !self) co_return std::nullopt;
    this->StartRead(&request_);
    const bool ok = co_await read_done_.Await();
    if (!ok) co_return std::nullopt;
    co_return std::move(request_);
  }
  Task<bool> Write(Response) override { co_return false; }

 private:
  static Task<void> Serve(std::shared_ptr<ReaderCall> call, Response* response, Handler handler) {
    Task<StatusOr<Response>> task =
        RunGuarded<StatusOr<Response>>(std::move(handler), std::shared_ptr<ServerStream<Request, Response>>(call));
    StatusOr<Response> result = co_await std::move(task);
    call->core_.finished_ = true;
    if (result.ok()) *response = *std::move(result);
    call->Finish(ToGrpc(result.status()));
  }
  void OnReadDone(bool ok) override { read_done_.Set(ok); }
  void OnCancel() override {
    core_.cancelled_ = true;
    asio::post(core_.strand_, [self = self_] { self->core_.RunHook(); });
  }
  void OnDone() override {
    asio::post(core_.strand_, [self = self_] { self->self_.reset(); });
  }

  ServerCallCore core_;
  Request request_;
  Handoff<bool> read_done_;
  std::shared_ptr<ReaderCall> self_;  // until OnDone
};

template <typename Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  template <typename Request, typename Handler>
  static Task<void> Serve(UnaryCall* call, Response* response, Handler handler, CallInfo info, Request request) {
    Task<StatusOr<Response>> task =
        RunGuarded<StatusOr<Response>>(std::move(handler), std::move(info), std::move(request));
    StatusOr<Response> result = co_await std::move(task);
    if (result.ok()) *response = *std::move(result);
    call->Finish(ToGrpc(result.status()));
  }

 private:
  void OnDone() override { delete this; }
};

}  // namespace internal

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
