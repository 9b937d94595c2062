#include "worker/shard/collective_watchdog.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace triptych::shard {
namespace {

constexpr std::chrono::milliseconds kLimit{4};

TEST(CollectiveWatchdogTest, ReportsALongWaitOnce) {
  std::atomic<int> reports{0};
  absl::Notification reported;
  Status why;
  CollectiveWatchdog watchdog(
      kLimit,
      [] { return Duration(std::chrono::milliseconds(5)); },
      [&](const Status& status) {
        why = status;
        ++reports;
        reported.Notify();  // aborts when it is told twice
      });
  watchdog.Start();
  reported.WaitForNotification();
  watchdog.Stop();
  EXPECT_EQ(why.code(), StatusCode::kUnavailable);
  EXPECT_EQ(reports, 1);
}

TEST(CollectiveWatchdogTest, LetsShortWaitsPass) {
  std::atomic<int> looks{0};
  absl::Notification looked_often;
  CollectiveWatchdog watchdog(
      kLimit,
      [&]() -> Duration {
        if (++looks == 10) looked_often.Notify();
        return kLimit;
      },
      [](const Status& status) { FAIL() << status; });
  watchdog.Start();
  looked_often.WaitForNotification();
  watchdog.Stop();
}

TEST(CollectiveWatchdogTest, StopIsIdempotentAndNeedsNoStart) {
  CollectiveWatchdog watchdog(
      std::chrono::hours(1), [] { return Duration{}; }, [](const Status&) {});
  watchdog.Stop();
  watchdog.Stop();
}

}  // namespace
}  // namespace triptych::shard
