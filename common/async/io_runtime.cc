#include "common/async/io_runtime.h"

#include <cstdio>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/check.h"

namespace triptych {

class IoRuntime::Pool final : public asio::thread_pool {
 public:
  // Kept where leak checkers see that it is meant.
  static Pool& Make(int num_threads) {
    static auto* const mutex = new std::mutex;
    static auto* const all = new std::vector<Pool*>;
    const std::lock_guard lock(*mutex);
    return *all->emplace_back(new Pool(num_threads));
  }
  void DropWaiting() { shutdown(); }

 private:
  explicit Pool(int num_threads) : asio::thread_pool(num_threads) {}
};

IoRuntime::IoRuntime(int num_threads) : pool_(Pool::Make(num_threads)) { TRIPTYCH_CHECK(num_threads > 0); }

IoRuntime::~IoRuntime() {
  Stop();
  pool_.DropWaiting();
}

asio::any_io_executor IoRuntime::executor() { return pool_.get_executor(); }

Strand IoRuntime::MakeStrand() { return asio::make_strand(executor()); }

void IoRuntime::Spawn(asio::any_io_executor executor, Task<void> task) {
  asio::co_spawn(std::move(executor), std::move(task), [](std::exception_ptr error) {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& exception) {
      std::fprintf(stderr, "a coroutine threw: %s\n", exception.what());
    }
    TRIPTYCH_CHECK(false);
  });
}

void IoRuntime::Stop() {
  pool_.stop();
  pool_.join();
}

Task<bool> SleepUntil(TimePoint when) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, when);
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

Task<bool> SleepFor(Duration duration) {
  const bool slept = co_await SleepUntil(std::chrono::steady_clock::now() + duration);
  co_return slept;
}

}  // namespace triptych
