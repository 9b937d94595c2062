// Streams that nothing disturbs.
#include "common/status_reason.h"
#include "tests/cluster/cluster_test.h"

namespace triptych::cluster_test {
namespace {

class StreamTest : public ClusterTest {};

TEST_F(StreamTest, ATextStreamIsComplete) {
  cluster_.AddDecoder("d0");
  const v1::GenerateRequest request = LocalCluster::MakeRequest("Good morning", 100);
  const Heard heard = cluster_.Generate(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.started->prompt_tokens(), 13u);
  EXPECT_EQ(heard.started->model(), "fake");
  EXPECT_EQ(heard.finished.at(0).reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(heard.finished.at(0).output_tokens(), 100u);
  EXPECT_EQ(heard.finished.at(0).timings().migrations(), 0u);
}

TEST_F(StreamTest, AStreamWithAPictureIsComplete) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  const v1::GenerateRequest request = LocalCluster::MakeRequest("What is this: ", 40, {7});
  const Heard heard = cluster_.Generate(request);
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.started->image_tokens(), 4u);
  EXPECT_EQ(encoder.CountersAtRest().encoded, 1u);
  EXPECT_EQ(decoder.store().entries(), 1);
}

TEST_F(StreamTest, ManyStreamsOverManyDecodersAreEachTheirOwn) {
  for (const char* id : {"d0", "d1", "d2"}) cluster_.AddDecoder(id);
  for (const char* id : {"e0", "e1"}) cluster_.AddEncoder(id);
  std::vector<v1::GenerateRequest> requests;
  std::vector<std::unique_ptr<GenerateCall>> calls;
  for (uint32_t i = 0; i < 24; ++i) {
    const std::vector<uint32_t> pictures(i % 3, i % 4);
    requests.push_back(LocalCluster::MakeRequest("Request " + std::to_string(i % 5), 30 + 2 * i, pictures));
    calls.push_back(cluster_.Start(requests.back()));
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const Heard& heard = calls[i]->Finish();
    ASSERT_TRUE(heard.complete()) << i << ": " << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(requests[i])) << i;
  }
}

TEST_F(StreamTest, ARequestThatComesBeforeItsDecoderWaitsForIt) {
  const v1::GenerateRequest request = LocalCluster::MakeRequest("early", 10);
  const auto call = cluster_.Start(request);
  AwaitTrue("it is accepted", [this] { return cluster_.Metric("triptych_router_live_requests") == 1; });
  cluster_.AddDecoder("d0");
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
}

TEST_F(StreamTest, ARefusedRequestReachesNoWorker) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  v1::GenerateRequest request = LocalCluster::MakeRequest("", 10);
  request.mutable_sampling()->set_temperature(-1);
  EXPECT_EQ(cluster_.Generate(request).status.code(), StatusCode::kInvalidArgument);
  request = LocalCluster::MakeRequest("hello", 10);
  request.set_model("another");
  EXPECT_EQ(ReasonOf(cluster_.Generate(request).status), "MODEL_UNKNOWN");
  EXPECT_EQ(decoder.stats().accepted, 0u);
}

class ImpatientClusterTest : public ClusterTest {
 protected:
  ImpatientClusterTest() : ClusterTest({.worker_wait = std::chrono::milliseconds(20)}) {}
};

TEST_F(ImpatientClusterTest, WithoutADecoderARequestIsTurnedAway) {
  const Heard heard = cluster_.Generate(LocalCluster::MakeRequest("hello", 10));
  EXPECT_EQ(heard.status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(heard.status), "NO_DECODER");
}

TEST_F(ImpatientClusterTest, WithoutAnEncoderAPictureIsTurnedAwayForThatReason) {
  cluster_.AddDecoder("d0");
  const Heard heard = cluster_.Generate(LocalCluster::MakeRequest("hello", 10, {1}));
  EXPECT_EQ(heard.status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(heard.status), "NO_ENCODER") << heard.why();
}

}  // namespace
}  // namespace triptych::cluster_test
