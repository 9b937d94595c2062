#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/io_runtime.h"
#include "common/async/rpc_call.h"
#include "triptych/internal/v1/decoder.grpc.pb.h"

namespace triptych::router {

// One Decode stream to one worker, with a queue of what is to be written. Used on one strand, except Cancel.
class DecodeCall {
 public:
  using Stream = ClientStream<internal::v1::DecodeRequest, internal::v1::DecodeEvent>;

  static std::shared_ptr<DecodeCall> Start(Strand strand, std::shared_ptr<grpc::Channel> channel, CallOptions options) {
    auto stub = std::shared_ptr(internal::v1::Decoder::NewStub(channel));
    auto stream = Stream::Start(std::move(options), [stub](auto* context, auto* reactor) { stub->async()->Decode(context, reactor); });
    return std::shared_ptr<DecodeCall>(new DecodeCall(std::move(strand), std::move(stream)));
  }

  static void Send(const std::shared_ptr<DecodeCall>& self, internal::v1::DecodeRequest request) {
    self->unsent_.push_back(std::move(request));
    if (self->writing_ || self->over_) return;
    self->writing_ = true;
    IoRuntime::Spawn(self->strand_, WriteAll(self));
  }
  Task<std::optional<internal::v1::DecodeEvent>> Read() { return stream_->Read(); }
  void Cancel() { stream_->Cancel(); }

  // Once, after Read gave nothing or to give the call up: its status.
  static Task<Status> Finish(std::shared_ptr<DecodeCall> self) {
    self->over_ = true;
    self->stream_->Cancel();
    while (self->writing_) {  // its write must be over first
      Task<void> turn = asio::post(self->strand_, asio::use_awaitable);
      co_await std::move(turn);
    }
    const Status status = co_await self->stream_->Finish();
    co_return status;
  }

 private:
  DecodeCall(Strand strand, std::shared_ptr<Stream> stream) : strand_(std::move(strand)), stream_(std::move(stream)) {}

  static Task<void> WriteAll(std::shared_ptr<DecodeCall> self) {
    while (!self->unsent_.empty() && !self->over_) {
      internal::v1::DecodeRequest request = std::move(self->unsent_.front());
      self->unsent_.pop_front();
      Task<bool> write = self->stream_->Write(std::move(request));
      const bool written = co_await std::move(write);
      if (!written) break;  // Read tells why
    }
    self->writing_ = false;
  }

  const Strand strand_;
  const std::shared_ptr<Stream> stream_;
  std::deque<internal::v1::DecodeRequest> unsent_;
  bool writing_ = false;
  bool over_ = false;
};

}  // namespace triptych::router
