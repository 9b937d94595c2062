#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>

#include "common/rpc/server_call.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

using GenerateStream = ServerStream<v1::GenerateRequest, v1::GenerateEvent>;
using ComposeStream = ServerStream<v1::ComposeRequest, v1::ComposeEvent>;

// A stream whose client is not gRPC but somebody in this process: who that is says Write.
template <typename Request, typename Event>
class InProcessStream : public ServerStream<Request, Event> {
 public:
  InProcessStream(CallInfo info, Strand strand)
      : info_(std::move(info)), strand_(std::move(strand)) {}

  const CallInfo& info() const final { return info_; }
  const Strand& strand() const final { return strand_; }
  Task<std::optional<Request>> Read() final { co_return std::nullopt; }
  bool cancelled() const final { return cancelled_; }
  void OnCancel(std::function<void()> hook) final {
    on_cancel_ = std::move(hook);
    if (cancelled_) RunHook();
  }
  void Cancel() {  // on the strand
    cancelled_ = true;
    RunHook();
  }

 private:
  void RunHook() {
    if (auto hook = std::exchange(on_cancel_, nullptr)) asio::post(strand_, std::move(hook));
  }

  const CallInfo info_;
  const Strand strand_;
  std::function<void()> on_cancel_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace triptych::router
