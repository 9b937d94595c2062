#include "router/stage_clock.h"

#include "common/rpc/proto_duration.h"
#include "gtest/gtest.h"

namespace triptych::router {
namespace {

using std::chrono::milliseconds;

TimePoint At(int ms) { return TimePoint(milliseconds(1000 + ms)); }

Duration Sum(const v1::Timings& t) {
  Duration sum{};
  for (const auto& stage : {t.admission(), t.media(), t.encode_queue(), t.encode(), t.transfer(),
                            t.decode_queue(), t.prefill(), t.decode(), t.relay()}) {
    sum += FromProto(stage);
  }
  return sum;
}

internal::v1::EngineTimings Engine(int transfer, int queue, int prefill, int decode) {
  internal::v1::EngineTimings timings;
  *timings.mutable_transfer() = ToProto(milliseconds(transfer));
  *timings.mutable_queue() = ToProto(milliseconds(queue));
  *timings.mutable_prefill() = ToProto(milliseconds(prefill));
  *timings.mutable_decode() = ToProto(milliseconds(decode));
  return timings;
}

internal::v1::EncodeResponse Encoding(int media, int queue, int encode) {
  internal::v1::EncodeResponse response;
  *response.mutable_media() = ToProto(milliseconds(media));
  *response.mutable_queue() = ToProto(milliseconds(queue));
  *response.mutable_encode() = ToProto(milliseconds(encode));
  return response;
}

TEST(StageClock, StagesSumToTheTotal) {
  StageClock clock(At(0));
  clock.AttemptStarted(At(10));
  clock.TokenSeen(At(60));
  const auto engine = Engine(0, 5, 40, 100);
  const v1::Timings timings = clock.At(At(170), &engine, 0);
  EXPECT_EQ(FromProto(timings.total()), milliseconds(170));
  EXPECT_EQ(FromProto(timings.admission()), milliseconds(10));
  EXPECT_EQ(FromProto(timings.decode()), milliseconds(100));
  EXPECT_EQ(FromProto(timings.relay()), milliseconds(15));
  EXPECT_EQ(Sum(timings), FromProto(timings.total()));
}

TEST(StageClock, TheWaitForRowsIsFirstTheEncodersThenTheTransfers) {
  StageClock clock(At(0));
  clock.AttemptStarted(At(0));
  clock.Encoded(Encoding(10, 20, 30));
  const auto all_seen = Engine(70, 0, 5, 5);
  v1::Timings timings = clock.At(At(100), &all_seen, 0);
  EXPECT_EQ(FromProto(timings.media()), milliseconds(10));
  EXPECT_EQ(FromProto(timings.encode_queue()), milliseconds(20));
  EXPECT_EQ(FromProto(timings.encode()), milliseconds(30));
  EXPECT_EQ(FromProto(timings.transfer()), milliseconds(10));
  const auto partly_hidden = Engine(35, 0, 40, 5);
  timings = clock.At(At(100), &partly_hidden, 0);
  EXPECT_EQ(FromProto(timings.media()), milliseconds(0)) << "hidden under the prefill";
  EXPECT_EQ(FromProto(timings.encode_queue()), milliseconds(5));
  EXPECT_EQ(FromProto(timings.encode()), milliseconds(30));
  EXPECT_EQ(Sum(timings), milliseconds(100));
}

TEST(StageClock, TheSlowestPictureCounts) {
  StageClock clock(At(0));
  clock.AttemptStarted(At(0));
  clock.Encoded(Encoding(1, 1, 50));
  clock.Encoded(Encoding(5, 5, 5));
  const auto engine = Engine(60, 0, 0, 0);
  EXPECT_EQ(FromProto(clock.At(At(60), &engine, 0).encode()), milliseconds(50));
}

TEST(StageClock, ALostDecodersTimeIsKept) {
  StageClock clock(At(0));
  clock.AttemptStarted(At(10));
  clock.TokenSeen(At(30));
  clock.AttemptEnded(At(80));
  clock.AttemptStarted(At(100));
  clock.TokenSeen(At(120));
  const auto engine = Engine(0, 0, 20, 30);
  const v1::Timings timings = clock.At(At(150), &engine, 1);
  EXPECT_EQ(FromProto(timings.admission()), milliseconds(30));
  EXPECT_EQ(FromProto(timings.prefill()), milliseconds(40));
  EXPECT_EQ(FromProto(timings.decode()), milliseconds(80));
  EXPECT_EQ(timings.migrations(), 1u);
  EXPECT_EQ(Sum(timings), milliseconds(150));
}

TEST(StageClock, WithoutTheEnginesWordWhatWasSeenCounts) {
  StageClock clock(At(0));
  clock.AttemptStarted(At(10));
  clock.Encoded(Encoding(0, 0, 15));
  clock.TokenSeen(At(40));
  const v1::Timings timings = clock.At(At(100), nullptr, 0);
  EXPECT_EQ(FromProto(timings.encode()), milliseconds(15));
  EXPECT_EQ(FromProto(timings.prefill()), milliseconds(15));
  EXPECT_EQ(FromProto(timings.decode()), milliseconds(60));
  EXPECT_EQ(Sum(timings), milliseconds(100));
}

TEST(StageClock, AnEngineThatClaimsTooMuchCannotBreakTheSum) {
  StageClock clock(At(0));
  clock.AttemptStarted(At(0));
  const auto engine = Engine(500, 500, 500, 500);
  EXPECT_EQ(Sum(clock.At(At(100), &engine, 0)), milliseconds(100));
}

}  // namespace
}  // namespace triptych::router
