// Workers that come back as new incarnations while the old ones still speak.
#include "tests/cluster/cluster_test.h"

namespace triptych::cluster_test {
namespace {

class FencingTest : public ClusterTest {};

// As a worker that was stopped and wakes: its stream is open, and it goes on where it was.
TEST_F(FencingTest, WhatAFencedIncarnationSaysIsDropped) {
  LocalDecoder& old = cluster_.AddDecoder("d0");
  old.HoldAfter(4);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("Who goes there", 50);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(4);
  LocalDecoder& young = cluster_.AddDecoder("d0");
  old.Release();  // wakes up
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.finished.at(0).timings().migrations(), 1u);
  EXPECT_EQ(young.stats().completed, 1u);
  EXPECT_EQ(young.stats().output_tokens, 46u);
  EXPECT_EQ(cluster_.HandleOf(old.shell()), nullptr);
  AwaitTrue("the old one is told to stop", [&] { return old.shell().told_to_stop(); });
}

// The stream is with the young one before the old one wakes: nothing of what the old one says then can reach it.
TEST_F(FencingTest, AStreamThatHasMovedIsDeafToItsOldWorker) {
  LocalDecoder& old = cluster_.AddDecoder("d0");
  old.HoldAfter(4);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("Who goes there", 50);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(4);
  LocalDecoder& young = cluster_.AddDecoder("d0");
  AwaitTrue("it has moved", [&] { return young.stats().accepted == 1 && old.open_streams() == 0; });
  old.Release();
  AwaitTrue("the old one ends it", [&] { return old.stats().cancelled == 1; });
  EXPECT_EQ(old.stats().completed, 0u);
  EXPECT_EQ(call->Finish().ids.at(0), cluster_.AnswerTo(request));
}

TEST_F(FencingTest, AWorkerUnderAnotherIncarnationRefusesWithoutDying) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  internal::v1::Register registration = cluster_.HandleOf(decoder.shell())->registration();
  registration.set_incarnation(registration.incarnation() + 100);
  auto stub = internal::v1::Decoder::NewStub(grpc::CreateChannel(decoder.shell().address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto stream = stub->Decode(&context);
  internal::v1::DecodeRequest request;
  request.mutable_start()->set_incarnation(registration.incarnation());
  *request.mutable_start()->mutable_identity() = registration.model();
  ASSERT_TRUE(stream->Write(request));
  internal::v1::DecodeEvent event;
  EXPECT_FALSE(stream->Read(&event));
  const Status status = FromGrpc(stream->Finish());
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "OTHER_INCARNATION");
}

}  // namespace
}  // namespace triptych::cluster_test
