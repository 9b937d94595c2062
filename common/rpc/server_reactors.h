#pragma once

// The reactors behind server_call.h, which is what services use.
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_callback.h>

#include "common/async/handoff.h"
#include "common/async/io_runtime.h"
#include "common/async/task.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/server_stream.h"
#include "common/status.h"

namespace triptych::internal {

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

// What the three kinds of stream share. Reactor: one of gRPC's, which reads, writes or does both.
template <typename Reactor, typename Request, typename Response>
class StreamCall : public Reactor, public ServerStream<Request, Response> {
 public:
  StreamCall(IoRuntime& runtime, CallInfo info) : core_(runtime, std::move(info)) {}

  const CallInfo& info() const final { return core_.info_; }
  const Strand& strand() const final { return core_.strand_; }
  bool cancelled() const final { return core_.cancelled_; }
  void OnCancel(std::function<void()> hook) final { core_.Hook(std::move(hook)); }
  Task<std::optional<Request>> Read() final {
    if constexpr (kReads) {
      const std::shared_ptr<StreamCall> self = self_;
      if (core_.finished_ || !self) co_return std::nullopt;
      this->StartRead(&request_);
      const bool ok = co_await read_done_.Await();
      if (!ok) co_return std::nullopt;
      co_return std::move(request_);
    }
    co_return std::nullopt;
  }
  Task<bool> Write(Response response) final {
    if constexpr (kWrites) {
      const std::shared_ptr<StreamCall> self = self_;
      if (core_.finished_ || core_.cancelled_ || !self) co_return false;
      response_ = std::move(response);
      this->StartWrite(&response_);
      const bool ok = co_await write_done_.Await();
      co_return ok;
    }
    co_return false;
  }

 protected:
  // Runs `serve`, a coroutine over `call`; the call lives until OnDone.
  template <typename Call>
  static Call* Begin(const std::shared_ptr<Call>& call, Task<void> serve) {
    call->self_ = call;
    IoRuntime::Spawn(call->core_.strand_, std::move(serve));
    return call.get();
  }
  void End(const Status& status) {
    core_.finished_ = true;
    this->Finish(ToGrpc(status));
  }

  Handoff<bool> read_done_, write_done_;

 private:
  static constexpr bool kReads = requires(Reactor& reactor, Request* request) { reactor.StartRead(request); };
  static constexpr bool kWrites = requires(Reactor& reactor, const Response* response) { reactor.StartWrite(response); };

  void OnCancel() final {
    core_.cancelled_ = true;
    asio::post(core_.strand_, [self = self_] { self->core_.RunHook(); });
  }
  // All operations are over; posted, so that what runs on the strand sees the end of self_ between its own steps.
  void OnDone() final {
    asio::post(core_.strand_, [self = self_] { self->self_.reset(); });
  }

  ServerCallCore core_;
  Request request_;
  Response response_;
  std::shared_ptr<StreamCall> self_;  // until OnDone
};

template <typename Request, typename Response>
class BidiCall final : public StreamCall<grpc::ServerBidiReactor<Request, Response>, Request, Response> {
 public:
  using StreamCall<grpc::ServerBidiReactor<Request, Response>, Request, Response>::StreamCall;
  using Handler = std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>)>;

  static BidiCall* Start(IoRuntime& runtime, CallInfo info, Handler handler) {
    const auto call = std::make_shared<BidiCall>(runtime, std::move(info));
    return BidiCall::Begin(call, Serve(call, std::move(handler)));
  }

 private:
  static Task<void> Serve(std::shared_ptr<BidiCall> call, Handler handler) {
    Task<Status> task = RunGuarded<Status>(std::move(handler), std::shared_ptr<ServerStream<Request, Response>>(call));
    call->End(co_await std::move(task));
  }
  void OnReadDone(bool ok) override { this->read_done_.Set(ok); }
  void OnWriteDone(bool ok) override { this->write_done_.Set(ok); }
};

template <typename Request, typename Response>
class WriterCall final : public StreamCall<grpc::ServerWriteReactor<Response>, Request, Response> {
 public:
  using StreamCall<grpc::ServerWriteReactor<Response>, Request, Response>::StreamCall;
  using Handler = std::function<Task<Status>(std::shared_ptr<ServerStream<Request, Response>>, Request)>;

  static WriterCall* Start(IoRuntime& runtime, CallInfo info, Request request, Handler handler) {
    const auto call = std::make_shared<WriterCall>(runtime, std::move(info));
    return WriterCall::Begin(call, Serve(call, std::move(request), std::move(handler)));
  }

 private:
  static Task<void> Serve(std::shared_ptr<WriterCall> call, Request request, Handler handler) {
    Task<Status> task = RunGuarded<Status>(
        std::move(handler), std::shared_ptr<ServerStream<Request, Response>>(call), std::move(request));
    call->End(co_await std::move(task));
  }
  void OnWriteDone(bool ok) override { this->write_done_.Set(ok); }
};

template <typename Request, typename Response>
class ReaderCall final : public StreamCall<grpc::ServerReadReactor<Request>, Request, Response> {
 public:
  using StreamCall<grpc::ServerReadReactor<Request>, Request, Response>::StreamCall;
  using Handler = std::function<Task<StatusOr<Response>>(std::shared_ptr<ServerStream<Request, Response>>)>;

  static ReaderCall* Start(IoRuntime& runtime, CallInfo info, Response* response, Handler handler) {
    const auto call = std::make_shared<ReaderCall>(runtime, std::move(info));
    return ReaderCall::Begin(call, Serve(call, response, std::move(handler)));
  }

 private:
  static Task<void> Serve(std::shared_ptr<ReaderCall> call, Response* response, Handler handler) {
    Task<StatusOr<Response>> task =
        RunGuarded<StatusOr<Response>>(std::move(handler), std::shared_ptr<ServerStream<Request, Response>>(call));
    StatusOr<Response> result = co_await std::move(task);
    if (result.ok()) *response = *std::move(result);
    call->End(result.status());
  }
  void OnReadDone(bool ok) override { this->read_done_.Set(ok); }
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

}  // namespace triptych::internal
