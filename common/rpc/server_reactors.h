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

}  // namespace triptych::internal
