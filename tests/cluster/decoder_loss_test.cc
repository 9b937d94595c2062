// Decoders that die under their streams.
#include "common/status_reason.h"
#include "tests/cluster/cluster_test.h"
#include "tests/fakes/fake_model_card.h"

namespace triptych::cluster_test {
namespace {

// The tokens of a text that its decoder does not survive.
constexpr TokenId kDeadly = fakes::ByteTokenizer::kFirstByte + 7;
const char kDeadlyText[] = "a step too far \x07";

class DecoderLossTest : public ClusterTest {
 protected:
  DecoderLossTest() : ClusterTest({.policy = "least_loaded"}) {}

  // A stream that has five tokens from "d0", which is then lost in the given way while "d1" is there.
  void ExpectToGoOn(void (*lose)(LocalDecoder&), const v1::GenerateRequest& request) {
    LocalDecoder& first = cluster_.AddDecoder("d0");
    first.HoldAfter(5);
    const auto call = cluster_.Start(request);
    call->AwaitTokens(5);
    LocalDecoder& second = cluster_.AddDecoder("d1");
    lose(first);
    const Heard& heard = call->Finish();
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
    EXPECT_EQ(heard.finished.at(0).timings().migrations(), 1u);
    EXPECT_EQ(second.stats().completed, 1u);
    EXPECT_EQ(cluster_.Metric("triptych_router_migrations_total"), 1);
  }
};

TEST_F(DecoderLossTest, AStreamGoesOnWhenItsProcessDies) {
  ExpectToGoOn([](LocalDecoder& decoder) { decoder.Kill(); }, LocalCluster::MakeRequest("Once upon a time", 60));
}

TEST_F(DecoderLossTest, AStreamGoesOnWhenItsShardGroupFails) {
  ExpectToGoOn([](LocalDecoder& decoder) { decoder.FailGroup(); }, LocalCluster::MakeRequest("Once upon a time", 60));
}

TEST_F(DecoderLossTest, AStreamGoesOnWhenItsWorkerStops) {
  ExpectToGoOn([](LocalDecoder& decoder) { decoder.Stop(); }, LocalCluster::MakeRequest("Once upon a time", 60));
}

// As when a pool is replaced, one decoder after the other, under a stream that outlasts their drains. That is nobody's death.
TEST_F(DecoderLossTest, AStreamOutlastsAnyNumberOfDecodersThatEndInOrder) {
  constexpr int kMoves = 3;
  const v1::GenerateRequest request = LocalCluster::MakeRequest("Once upon a time", 1000);
  LocalDecoder* decoder = &cluster_.AddDecoder("d0");
  decoder->HoldAfter(5);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(5);
  for (int move = 1; move <= kMoves; ++move) {
    LocalDecoder& next = cluster_.AddDecoder("d" + std::to_string(move));
    if (move < kMoves) next.HoldAfter(5);
    decoder->EndStreams();
    AwaitTrue("it runs at the next", [&] { return next.holding() || move == kMoves; });
    decoder = &next;
  }
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.finished.at(0).timings().migrations(), static_cast<uint32_t>(kMoves));
  EXPECT_EQ(cluster_.Metric("triptych_router_migrations_total"), kMoves);
}

TEST_F(DecoderLossTest, ASampledStreamGoesOnAsItWas) {
  v1::GenerateRequest request = LocalCluster::MakeRequest("Once upon a time", 60);
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_seed(99);
  LocalDecoder& first = cluster_.AddDecoder("d0");
  const Heard undisturbed = cluster_.Generate(request);
  ASSERT_TRUE(undisturbed.complete()) << undisturbed.why();
  first.HoldAfter(7);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(7);
  cluster_.AddDecoder("d1");
  first.Kill();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids, undisturbed.ids);
  EXPECT_EQ(heard.text, undisturbed.text);
}

TEST_F(DecoderLossTest, AStreamWithAPictureGoesOnAndTheEncoderKeepsWhatItMade) {
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  ExpectToGoOn([](LocalDecoder& decoder) { decoder.Kill(); }, LocalCluster::MakeRequest("What is this: ", 60, {3}));
  EXPECT_EQ(encoder.CountersAtRest().encoded, 1u);
}

TEST_F(DecoderLossTest, EveryStreamOfALostDecoderGoesOn) {
  LocalDecoder& first = cluster_.AddDecoder("d0");
  first.HoldAfter(20);
  std::vector<v1::GenerateRequest> requests;
  std::vector<std::unique_ptr<GenerateCall>> calls;
  for (int i = 0; i < 8; ++i) {
    requests.push_back(LocalCluster::MakeRequest("Stream " + std::to_string(i), 50));
    calls.push_back(cluster_.Start(requests.back()));
  }
  AwaitTrue("all are at the first", [&] { return first.stats().accepted == calls.size(); });
  cluster_.AddDecoder("d1");
  first.Kill();
  for (size_t i = 0; i < calls.size(); ++i) {
    const Heard& heard = calls[i]->Finish();
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(requests[i]));
  }
}

// Two workers die of it: the third, which would too, never sees it.
TEST_F(DecoderLossTest, ARequestThatTwoWorkersDiedOfIsRefusedAndItsNeighbourGoesOn) {
  LocalDecoder& third = cluster_.AddDecoder("d2");
  third.DieOf(kDeadly);
  third.HoldAfter(3);
  const v1::GenerateRequest innocent = LocalCluster::MakeRequest("a quiet neighbour", 40);
  const auto neighbour = cluster_.Start(innocent);
  neighbour->AwaitTokens(3);
  LocalDecoder& first = cluster_.AddDecoder("d0");
  LocalDecoder& second = cluster_.AddDecoder("d1");
  first.DieOf(kDeadly);
  second.DieOf(kDeadly);

  const auto call = cluster_.Start(LocalCluster::MakeRequest(kDeadlyText, 40));
  const Heard& heard = call->Finish();
  EXPECT_EQ(heard.status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(heard.status), "WORKERS_DIED") << heard.why();
  EXPECT_FALSE(first.health().ok());
  EXPECT_FALSE(second.health().ok());

  third.Release();
  const Heard& undisturbed = neighbour->Finish();
  ASSERT_TRUE(undisturbed.complete()) << undisturbed.why();
  EXPECT_EQ(undisturbed.ids.at(0), cluster_.AnswerTo(innocent));
  EXPECT_EQ(undisturbed.finished.at(0).timings().migrations(), 0u);
  EXPECT_TRUE(third.health().ok());
  EXPECT_EQ(third.stats().accepted, 1u);
}

// Dead engines whose coordinator does not know it yet refuse; that is nobody's death, and costs nobody his request.
TEST_F(DecoderLossTest, ADeadWorkerThatIsAskedForMoreIsNotASecondDeath) {
  for (const char* id : {"d0", "d1"}) cluster_.AddDecoder(id).DieOf(kDeadly);
  EXPECT_EQ(ReasonOf(cluster_.Generate(LocalCluster::MakeRequest(kDeadlyText, 40)).status), "WORKERS_DIED");
  cluster_.AddDecoder("d2");
  for (int i = 0; i < 6; ++i) {
    const v1::GenerateRequest request = LocalCluster::MakeRequest("an innocent " + std::to_string(i), 10);
    const Heard heard = cluster_.Generate(request);
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
    EXPECT_EQ(heard.finished.at(0).timings().migrations(), 0u);
  }
}

}  // namespace
}  // namespace triptych::cluster_test
