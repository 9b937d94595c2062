#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/task.h"
#include "common/check.h"

namespace triptych {

// Hands one value at a time from a callback, on any thread, to the one coroutine that awaits it. Set may come before or after Await.
template <typename T>
class Handoff {
 public:
  void Set(T value) {
    std::function<void(T)> handler;
    {
      std::lock_guard lock(mutex_);
      if (!handler_) {
        TRIPTYCH_CHECK(!value_);
        value_ = std::move(value);
        return;
      }
      handler = std::exchange(handler_, nullptr);
    }
    handler(std::move(value));
  }

  // The value, on the awaiting coroutine's executor. `on_cancel` runs when the coroutine is cancelled; the value must still come.
  Task<T> Await(std::function<void()> on_cancel = nullptr) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(T)>(
        [this](auto handler, std::function<void()> on_cancel) { Begin(std::move(handler), std::move(on_cancel)); },
        asio::use_awaitable,
        std::move(on_cancel));
  }

 private:
  template <typename Handler>
  void Begin(Handler handler, std::function<void()> on_cancel) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (on_cancel && slot.is_connected()) {
      slot.assign([on_cancel = std::move(on_cancel)](asio::cancellation_type) { on_cancel(); });
    }
    auto executor = asio::get_associated_executor(handler);
    auto shared = std::make_shared<Handler>(std::move(handler));  // std::function wants copies
    std::function<void(T)> complete = [executor, shared](T value) {
      asio::post(executor, [shared, value = std::move(value)]() mutable { std::move (*shared)(std::move(value)); });
    };
    std::optional<T> value;
    {
      std::lock_guard lock(mutex_);
      TRIPTYCH_CHECK(!handler_);
      value = std::exchange(value_, std::nullopt);
      if (!value) handler_ = std::move(complete);
    }
    if (value) complete(*std::move(value));
  }

  std::mutex mutex_;
  std::function<void(T)> handler_;  // guarded by mutex_
  std::optional<T> value_;          // guarded by mutex_
};

}  // namespace triptych
