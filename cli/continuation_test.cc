#include "cli/continuation.h"

#include "common/status_reason.h"
#include "gtest/gtest.h"

namespace triptych::cli {
namespace {

v1::GenerateEvent Started(uint64_t seed) {
  v1::GenerateEvent event;
  event.mutable_started()->set_seed(seed);
  return event;
}

v1::GenerateEvent Tokens(uint32_t sequence, std::initializer_list<uint32_t> ids) {
  v1::GenerateEvent event;
  event.mutable_delta()->set_sequence(sequence);
  event.mutable_delta()->mutable_token_ids()->Add(ids.begin(), ids.end());
  return event;
}

v1::GenerateEvent Finished(uint32_t sequence) {
  v1::GenerateEvent event;
  event.mutable_finished()->set_sequence(sequence);
  return event;
}

std::vector<uint32_t> Ids(const v1::Received& received) {
  return {received.token_ids().begin(), received.token_ids().end()};
}

TEST(Continuation, ACallThatHasSaidNothingIsMadeAgain) {
  v1::GenerateRequest request;
  request.set_model("m");
  const v1::GenerateRequest next = Continuation(request).Request();
  EXPECT_EQ(next.model(), "m");
  EXPECT_EQ(next.resume_size(), 0);
  EXPECT_FALSE(next.sampling().has_seed());
}

TEST(Continuation, WhatHasComeAndTheSeedGoWithTheNextCall) {
  Continuation continuation{v1::GenerateRequest()};
  for (const v1::GenerateEvent& event :
       {Started(7), Tokens(0, {1, 2}), Tokens(1, {5}), Tokens(0, {3}), Finished(1)}) {
    EXPECT_TRUE(continuation.Note(event));
  }
  const v1::GenerateRequest next = continuation.Request();
  EXPECT_EQ(next.sampling().seed(), 7u);
  ASSERT_EQ(next.resume_size(), 2);
  EXPECT_EQ(next.resume(0).sequence(), 0u);
  EXPECT_EQ(Ids(next.resume(0)), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_FALSE(next.resume(0).finished());
  EXPECT_EQ(next.resume(1).sequence(), 1u);
  EXPECT_EQ(Ids(next.resume(1)), std::vector<uint32_t>{5});
  EXPECT_TRUE(next.resume(1).finished());
}

TEST(Continuation, ALaterCallGoesOnAndDoesNotStartAgain) {
  Continuation continuation{v1::GenerateRequest()};
  EXPECT_TRUE(continuation.Note(Started(7)));
  EXPECT_TRUE(continuation.Note(Tokens(0, {1})));
  EXPECT_FALSE(continuation.Note(Started(7)));
  EXPECT_TRUE(continuation.Note(Tokens(0, {2})));
  EXPECT_EQ(Ids(continuation.Request().resume(0)), (std::vector<uint32_t>{1, 2}));
}

TEST(Continuation, OnlyABrokenConnectionAndADrainingRouterAreFollowedByAnotherCall) {
  Continuation continuation{v1::GenerateRequest()};
  const Status nobody = Unavailable("failed to connect to all addresses");
  EXPECT_FALSE(continuation.MayGoOn(nobody)) << "to begin with";
  EXPECT_FALSE(continuation.MayGoOn(Unavailable("DNS resolution failed for x")));
  EXPECT_TRUE(continuation.MayGoOn(Unavailable("Socket closed"))) << "though it had not started";
  EXPECT_TRUE(continuation.MayGoOn(nobody)) << "now that one was there";
  EXPECT_TRUE(continuation.MayGoOn(WithReason(Unavailable("draining"), "DRAINING")));
  EXPECT_FALSE(continuation.MayGoOn(WithReason(Unavailable("2 workers died"), "WORKERS_DIED")));
  EXPECT_FALSE(continuation.MayGoOn(OkStatus()));
  EXPECT_FALSE(continuation.MayGoOn(DeadlineExceeded("late")));
  EXPECT_FALSE(continuation.MayGoOn(ResourceExhausted("full")));
}

}  // namespace
}  // namespace triptych::cli
