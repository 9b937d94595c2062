#include "common/async/io_runtime.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "gtest/gtest.h"

namespace triptych {
namespace {

Task<void> Count(int* counter, std::atomic<int>* done) {
  for (int i = 0; i < 100; ++i) {
    ++*counter;  // unguarded: the strand is the guard
    co_await SleepFor(std::chrono::microseconds(1));
  }
  ++*done;
}

TEST(IoRuntime, AStrandRunsOneAtATime) {
  IoRuntime runtime(4);
  const Strand strand = runtime.MakeStrand();
  int counter = 0;
  std::atomic<int> done = 0;
  for (int i = 0; i < 8; ++i) IoRuntime::Spawn(strand, Count(&counter, &done));
  while (done < 8) std::this_thread::yield();
  EXPECT_EQ(counter, 800);
}

Task<void> Throws() {
  throw std::runtime_error("on purpose");
  co_return;
}

TEST(IoRuntimeDeathTest, AnExceptionThatLeavesACoroutineEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        IoRuntime runtime(1);
        IoRuntime::Spawn(runtime.executor(), Throws());
        std::this_thread::sleep_for(std::chrono::seconds(30));
      },
      "on purpose");
}

TEST(IoRuntime, StopIsIdempotentAndDropsTimers) {
  IoRuntime runtime(1);
  IoRuntime::Spawn(runtime.executor(), []() -> Task<void> {
    const bool slept = co_await SleepFor(std::chrono::hours(1));
    (void)slept;
  }());
  runtime.Stop();
  runtime.Stop();
}

}  // namespace
}  // namespace triptych
