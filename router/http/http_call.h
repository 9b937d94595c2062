#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "router/http/http_exchange.h"
#include "router/in_process_stream.h"

namespace triptych::router {

// A call of the inference service whose client came over HTTP: what is written goes into `sink`,
// which says false once nobody reads any more. A vanished client and the deadline cancel it.
template <typename Request, typename Event>
class HttpCall final : public InProcessStream<Request, Event> {
 public:
  using Sink = std::function<Task<bool>(Event)>;
  using Stream = ServerStream<Request, Event>;
  using Method = std::function<Task<Status>(std::shared_ptr<Stream>, Request)>;

  // Runs the method to its end.
  static Task<Status> Run(std::shared_ptr<HttpExchange> exchange,
                          CallInfo info,
                          Sink sink,
                          Method method,
                          Request request) {
    auto call = std::make_shared<HttpCall>(std::move(info), exchange->strand(), std::move(sink));
    const std::function<void()> cancel = [weak = std::weak_ptr(call)] {
      if (const auto call = weak.lock()) call->Cancel();
    };
    exchange->OnGone(cancel);
    asio::steady_timer deadline(exchange->strand());
    if (call->info().deadline != TimePoint::max()) {
      deadline.expires_at(call->info().deadline);
      deadline.async_wait([cancel](const boost::system::error_code& error) {
        if (!error) cancel();
      });
    }
    Task<Status> run = method(call, std::move(request));
    const Status status = co_await std::move(run);
    call->over_ = true;
    co_return status;
  }

  HttpCall(CallInfo info, Strand strand, Sink sink)
      : InProcessStream<Request, Event>(std::move(info), std::move(strand)),
        sink_(std::move(sink)) {}

  Task<bool> Write(Event event) override {
    if (over_ || this->cancelled()) co_return false;
    Task<bool> send = sink_(std::move(event));
    const bool sent = co_await std::move(send);
    co_return sent;
  }

 private:
  const Sink sink_;
  bool over_ = false;
};

}  // namespace triptych::router
