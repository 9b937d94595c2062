#pragma once

#include <memory>
#include <mutex>
#include <set>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/task.h"
#include "common/clock.h"

namespace triptych {

// Tells waiting coroutines, each on its own strand, that something has changed. Thread-safe.
class ChangeSignal {
 public:
  // One coroutine's ear. A change that comes while it does not wait makes its next wait end at once.
  class Waiter {
   public:
    explicit Waiter(Strand strand) : strand_(strand), timer_(strand) {}
    // Until a change, or `deadline`. On the strand.
    Task<void> Wait(TimePoint deadline) {
      if (!pending_) {
        boost::system::error_code ignored;
        timer_.expires_at(deadline);
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      }
      pending_ = false;
    }
    void Wake() {  // on the strand
      pending_ = true;
      timer_.cancel();
    }

   private:
    friend class ChangeSignal;
    const Strand strand_;
    asio::steady_timer timer_;
    bool pending_ = false;
  };

  std::shared_ptr<Waiter> Subscribe(const Strand& strand) {
    auto waiter = std::make_shared<Waiter>(strand);
    std::lock_guard lock(mutex_);
    waiters_.insert(waiter);
    return waiter;
  }

  void Notify() {
    std::lock_guard lock(mutex_);
    for (auto at = waiters_.begin(); at != waiters_.end();) {
      if (const std::shared_ptr<Waiter> waiter = at->lock()) {
        asio::post(waiter->strand_, [waiter] { waiter->Wake(); });
        ++at;
      } else {
        at = waiters_.erase(at);
      }
    }
  }

 private:
  std::mutex mutex_;
  std::set<std::weak_ptr<Waiter>, std::owner_less<>> waiters_;  // guarded by mutex_
};

}  // namespace triptych
