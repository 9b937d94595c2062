#include "worker/process/rate_meter.h"

#include "gtest/gtest.h"

namespace triptych::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RateMeterTest, KnowsNothingBeforeTwoReadings) {
  RateMeter meter(seconds(5));
  EXPECT_EQ(meter.Read(1000, TimePoint(seconds(1))), 0);
  EXPECT_EQ(meter.Read(1200, TimePoint(seconds(2))), 200);
}

TEST(RateMeterTest, FollowsAChangeOverItsWindow) {
  RateMeter meter(seconds(5));
  uint64_t count = 0;
  TimePoint now{};
  for (int i = 0; i < 10; ++i) meter.Read(count += 100, now += seconds(1));
  double rate = 0;
  for (int i = 0; i < 5; ++i) rate = meter.Read(count += 300, now += seconds(1));
  EXPECT_NEAR(rate, 100 + 200 * (1 - std::exp(-1)), 0.01);
  for (int i = 0; i < 50; ++i) rate = meter.Read(count, now += seconds(1));
  EXPECT_LT(rate, 1);
}

TEST(RateMeterTest, OnlyTimeBetweenRelevantReadingsCounts) {
  RateMeter meter(seconds(5));
  meter.Read(0, TimePoint(seconds(0)), true);
  EXPECT_EQ(meter.Read(20, TimePoint(seconds(1)), true), 20);
  EXPECT_EQ(meter.Read(21, TimePoint(seconds(2)), false), 20) << "the work ended in between";
  EXPECT_EQ(meter.Read(21, TimePoint(seconds(500)), true), 20) << "idle";
  EXPECT_EQ(meter.Read(41, TimePoint(seconds(501)), true), 20);
}

TEST(RateMeterTest, ReadingsThatAreTooCloseChangeNothing) {
  RateMeter meter(seconds(5));
  meter.Read(0, TimePoint(seconds(0)));
  EXPECT_EQ(meter.Read(50, TimePoint(milliseconds(1))), 0);
  EXPECT_EQ(meter.Read(50, TimePoint(milliseconds(500))), 100);
}

}  // namespace
}  // namespace triptych::worker
