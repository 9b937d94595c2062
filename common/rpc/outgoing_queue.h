#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/rpc/server_call.h"

namespace triptych {

// Messages on their way into a stream, with one write in flight and a bound in bytes. Used on the stream's strand only.
template <typename Request, typename Response>
class OutgoingQueue {
 public:
  using Stream = ServerStream<Request, Response>;

  // Above `max_bytes` the reader is slow: after `grace` of that, or at 16 times as much, Push fails.
  OutgoingQueue(std::shared_ptr<Stream> stream, int64_t max_bytes, Duration grace)
      : state_(std::make_shared<State>(std::move(stream), max_bytes, grace)) {}

  // kResourceExhausted (reason SLOW_READER) for a reader that does not keep up, kCancelled once nobody reads.
  Status Push(Response message) {
    State& state = *state_;
    if (state.broken) return Cancelled("the reader is gone");
    state.bytes += Cost(message);
    state.messages.push_back(std::move(message));
    if (!state.writing) {
      state.writing = true;
      IoRuntime::Spawn(state.stream->strand(), WriteAll(state_));
    }
    return CheckSpeed(state);
  }

  int64_t unsent_bytes() const { return state_->bytes; }

  // Until at most `bytes` are unsent; false once nobody reads.
  Task<bool> WaitBelow(int64_t bytes) {
    const std::shared_ptr<State> state = state_;
    while (!state->broken && state->bytes > bytes) {
      boost::system::error_code ignored;
      state->changed.expires_at(TimePoint::max());
      co_await state->changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return !state->broken;
  }

  // Until all is written or nobody reads.
  Task<void> Flush() { co_await WaitBelow(0); }

 private:
  static constexpr int64_t kMessageOverhead = 64;
  static constexpr int64_t kHardBound = 16;  // times max_bytes

  struct State {
    State(std::shared_ptr<Stream> s, int64_t max, Duration g)
        : stream(std::move(s)), max_bytes(max), grace(g), changed(stream->strand()) {}
    const std::shared_ptr<Stream> stream;
    const int64_t max_bytes;
    const Duration grace;
    std::deque<Response> messages;
    int64_t bytes = 0;  // of messages and of the write in flight
    bool writing = false;
    bool broken = false;
    std::optional<TimePoint> slow_since;
    asio::steady_timer changed;  // cancelled after each write
  };

  static int64_t Cost(const Response& message) {
    return static_cast<int64_t>(message.ByteSizeLong()) + kMessageOverhead;
  }

  static Status CheckSpeed(State& state) {
    if (state.bytes <= state.max_bytes) return OkStatus();
    const TimePoint now = std::chrono::steady_clock::now();
    if (!state.slow_since) state.slow_since = now;
    if (state.bytes <= kHardBound * state.max_bytes && now - *state.slow_since <= state.grace) return OkStatus();
    return WithReason(ResourceExhausted("the stream is read too slowly: {} bytes unsent, at most {}", state.bytes,
                                        state.max_bytes),
                      "SLOW_READER");
  }

  static Task<void> WriteAll(std::shared_ptr<State> state) {
    while (!state->messages.empty() && !state->broken) {
      Response message = std::move(state->messages.front());
      state->messages.pop_front();
      const int64_t cost = Cost(message);
      const bool written = co_await state->stream->Write(std::move(message));
      state->bytes -= cost;
      if (!written) state->broken = true;
      if (state->bytes <= state->max_bytes) state->slow_since.reset();
      state->changed.cancel();
    }
    state->writing = false;
  }

  const std::shared_ptr<State> state_;
};

}  // namespace triptych
