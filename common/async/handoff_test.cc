#include "common/async/handoff.h"

#include <future>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/io_runtime.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

Task<int> SumOf(Handoff<int>* handoff, int values) {
  int sum = 0;
  for (int i = 0; i < values; ++i) {
    const int value = co_await handoff->Await();
    sum += value;
  }
  co_return sum;
}

TEST(Handoff, AValueSetBeforeOrAfterTheAwaitArrives) {
  IoRuntime runtime(2);
  Handoff<int> handoff;
  handoff.Set(1);
  auto sum = asio::co_spawn(runtime.MakeStrand(), SumOf(&handoff, 1), asio::use_future);
  EXPECT_EQ(sum.get(), 1);
  auto later = asio::co_spawn(runtime.MakeStrand(), SumOf(&handoff, 1), asio::use_future);
  std::thread setter([&] { handoff.Set(5); });
  EXPECT_EQ(later.get(), 5);
  setter.join();
}

Task<void> Relay(Handoff<int>* from, Handoff<int>* to, int values) {
  for (int i = 0; i < values; ++i) {
    const int value = co_await from->Await();
    to->Set(value);
  }
}

TEST(Handoff, ManyValuesOneAfterTheOther) {
  IoRuntime runtime(4);
  Handoff<int> there, back;
  IoRuntime::Spawn(runtime.MakeStrand(), Relay(&there, &back, 1000));
  for (int i = 0; i < 1000; ++i) {
    there.Set(i);
    auto value = asio::co_spawn(runtime.MakeStrand(), SumOf(&back, 1), asio::use_future);
    ASSERT_EQ(value.get(), i);
  }
}

}  // namespace
}  // namespace triptych
