// Requests that their clients end.
#include "tests/cluster/cluster_test.h"

namespace triptych::cluster_test {
namespace {

class CancelTest : public ClusterTest {
 protected:
  static void AwaitFree(const LocalDecoder& decoder) {
    AwaitTrue("the engine is free", [&] { return decoder.at_rest(); });
  }
};

TEST_F(CancelTest, CancellingFreesTheEnginesBlocks) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  const auto call = cluster_.Start(LocalCluster::MakeRequest("to be cancelled", 2000));
  call->AwaitTokens(5);
  EXPECT_GT(decoder.stats().used_blocks, 0);
  call->Cancel();
  EXPECT_EQ(call->Finish().status.code(), StatusCode::kCancelled);
  AwaitTrue("the decoder hears of it", [&] { return decoder.open_streams() == 0; });
  decoder.Release();
  AwaitFree(decoder);
  EXPECT_EQ(decoder.stats().cancelled, 1u);
  EXPECT_LT(decoder.stats().output_tokens, 10u);
}

TEST_F(CancelTest, CancellingLeavesNeighboursAlone) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(3);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("a neighbour", 100);
  const auto neighbour = cluster_.Start(request);
  neighbour->AwaitTokens(3);
  std::vector<std::unique_ptr<GenerateCall>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(cluster_.Start(LocalCluster::MakeRequest("to be cancelled", 2000)));
  AwaitTrue("all are there", [&] { return decoder.stats().accepted == 7; });
  for (const auto& call : calls) call->Cancel();
  decoder.Release();
  const Heard& heard = neighbour->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  AwaitFree(decoder);
}

TEST_F(CancelTest, ADeadlineEndsAStream) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  const auto call = cluster_.Start(LocalCluster::MakeRequest("too slow", 2000), std::chrono::milliseconds(200));
  EXPECT_EQ(call->Finish().status.code(), StatusCode::kDeadlineExceeded);
  decoder.Release();
  AwaitFree(decoder);
}

TEST_F(CancelTest, ADeadlineEndsTheWaitForADecoder) {
  const auto call = cluster_.Start(LocalCluster::MakeRequest("nobody there", 10), std::chrono::milliseconds(50));
  EXPECT_EQ(call->Finish().status.code(), StatusCode::kDeadlineExceeded);
}

TEST_F(CancelTest, CancellingEndsTheWaitForADecoder) {
  const auto call = cluster_.Start(LocalCluster::MakeRequest("nobody there", 10));
  AwaitTrue("it waits", [this] { return cluster_.Metric("triptych_router_live_requests") == 1; });
  call->Cancel();
  EXPECT_EQ(call->Finish().status.code(), StatusCode::kCancelled);
}

TEST_F(CancelTest, CancellingEndsTheWaitForAPicture) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  LocalEncoder& encoder = cluster_.AddEncoder("e0");
  encoder.Hold();
  const auto call = cluster_.Start(LocalCluster::MakeRequest("What is this: ", 10, {1}));
  AwaitTrue("the picture is at the tower", [&] { return encoder.busy() && decoder.stats().accepted == 1; });
  call->Cancel();
  EXPECT_EQ(call->Finish().status.code(), StatusCode::kCancelled);
  AwaitFree(decoder);  // without the picture
  EXPECT_EQ(decoder.stats().cancelled, 1u);
}

TEST_F(CancelTest, AClientThatComesBackGoesOnWhereItWas) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(8);
  v1::GenerateRequest request = LocalCluster::MakeRequest("to be continued", 40);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(8);
  call->Cancel();
  const Heard first = call->Finish();
  decoder.Release();
  request.add_resume()->mutable_token_ids()->Add(first.ids.at(0).begin(), first.ids.at(0).end());
  request.mutable_sampling()->set_seed(first.started->seed());
  const Heard whole = cluster_.Generate(request);
  ASSERT_TRUE(whole.complete()) << whole.why();
  EXPECT_EQ(whole.ids.at(0), cluster_.AnswerTo(request));
}

}  // namespace
}  // namespace triptych::cluster_test
