#include "router/compose/article_clock.h"

#include "common/rpc/proto_duration.h"
#include "gtest/gtest.h"

namespace triptych::router {
namespace {

using std::chrono::seconds;

TEST(ArticleClockTest, TheStagesSumToTheTotal) {
  const TimePoint begin{};
  ArticleClock clock(begin);
  v1::Timings call;
  *call.mutable_total() = ToProto(seconds(5));
  *call.mutable_prefill() = ToProto(seconds(2));
  *call.mutable_decode() = ToProto(seconds(3));
  call.set_migrations(1);
  clock.Waited(call);
  clock.Waited(call);
  clock.Searched(seconds(4));
  const v1::Timings timings = clock.At(begin + seconds(20));
  EXPECT_EQ(FromProto(timings.total()), seconds(20));
  EXPECT_EQ(FromProto(timings.prefill()), seconds(4));
  EXPECT_EQ(FromProto(timings.decode()), seconds(6));
  EXPECT_EQ(FromProto(timings.media()), seconds(4));
  EXPECT_EQ(FromProto(timings.relay()), seconds(6));
  EXPECT_EQ(timings.migrations(), 2u);
}

}  // namespace
}  // namespace triptych::router
