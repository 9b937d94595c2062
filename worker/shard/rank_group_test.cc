#include "worker/shard/rank_group.h"

#include <atomic>
#include <stdexcept>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/test_ranks.h"

namespace triptych::shard {
namespace {

using State = engine::ShardGroup::State;
using fakes::FakeRankParts;
using fakes::PlanAfter;
using ::testing::HasSubstr;

RankGroupOptions Ranks(int n) {
  return {.world_size = n, .num_ranks = n, .bounds = fakes::kFakeBounds};
}

class RankGroupTest : public ::testing::Test {
 protected:
  static TokenId Chosen(const StatusOr<engine::StepResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    return result->sequences.at(0).chosen->id;
  }

  SteadyClock clock_;
};

TEST_F(RankGroupTest, RunsStepsOnAllRanksInOrder) {
  for (const int size : {1, 2, 4}) {
    RankGroup group(Ranks(size), FakeRankParts(size), &clock_);
    EXPECT_EQ(group.state(), State::kStarting);
    ASSERT_TRUE(group.Start().ok());
    EXPECT_EQ(group.state(), State::kReady);
    group.Submit(PlanAfter(1, 10));
    group.Submit(PlanAfter(2, 20));
    const auto first = group.Await();
    EXPECT_EQ(Chosen(first), 10 + size);
    EXPECT_EQ(first->step, 1u);
    group.Submit(PlanAfter(3, 30));
    EXPECT_EQ(Chosen(group.Await()), 20 + size);
    EXPECT_EQ(Chosen(group.Await()), 30 + size);
    group.Stop();
    EXPECT_EQ(group.state(), State::kFailed);
  }
}

TEST_F(RankGroupTest, AnExceptionOnAnyRankFailsTheGroupAndWakesAwait) {
  for (const int bad_rank : {0, 1, 3}) {
    RankGroup group(Ranks(4),
                    FakeRankParts(4,
                                  [bad_rank](int rank, const engine::StepPlan& plan) {
                                    if (rank == bad_rank && plan.step == 2) {
                                      throw std::runtime_error("the device is on fire");
                                    }
                                  }),
                    &clock_);
    ASSERT_TRUE(group.Start().ok());
    group.Submit(PlanAfter(1, 10));
    EXPECT_EQ(Chosen(group.Await()), 14);
    group.Submit(PlanAfter(2, 20));
    const auto result = group.Await();
    EXPECT_EQ(result.status().code(), StatusCode::kUnavailable);
    EXPECT_THAT(std::string(Message(result.status())), HasSubstr("the device is on fire"));
    EXPECT_EQ(group.state(), State::kFailed);
    group.Submit(PlanAfter(3, 30));  // goes nowhere
    EXPECT_FALSE(group.Await().ok());
  }
}

TEST_F(RankGroupTest, AStalledCollectiveFailsTheGroup) {
  absl::Notification released;
  RankGroupOptions options = Ranks(2);
  options.collective_stall = std::chrono::milliseconds(20);
  RankGroup group(options,
                  FakeRankParts(2,
                                [&released](int rank, const engine::StepPlan&) {
                                  if (rank == 1) released.WaitForNotification();
                                }),
                  &clock_);
  ASSERT_TRUE(group.Start().ok());
  group.Submit(PlanAfter(1, 10));
  const auto result = group.Await();
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("in a collective"));
  released.Notify();  // else Stop() would wait for it
}

TEST_F(RankGroupTest, AFailedRunnerFailsTheStart) {
  RankParts parts = FakeRankParts(2);
  parts.make_runner = [make = parts.make_runner](
                          comm::Communicator& communicator,
                          at::Device device) -> StatusOr<std::unique_ptr<model::ModelRunner>> {
    if (communicator.rank() == 1) return FailedPrecondition("tensor 'x' is missing");
    return make(communicator, device);
  };
  RankGroup group(Ranks(2), parts, &clock_);
  const Status status = group.Start();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("tensor 'x' is missing"));
  EXPECT_EQ(group.state(), State::kFailed);
}

TEST_F(RankGroupTest, RanksThatNeverComeEndTheStart) {
  RankGroupOptions options = Ranks(1);
  options.world_size = 2;  // the other is nowhere
  options.start_limit = std::chrono::milliseconds(20);
  RankGroup group(options, FakeRankParts(2), &clock_);
  EXPECT_EQ(group.Start().code(), StatusCode::kUnavailable);
}

TEST_F(RankGroupTest, RanksWithDifferentWeightsDoNotStart) {
  RankParts parts = FakeRankParts(2);
  RankGroupOptions first = Ranks(1), second = Ranks(1);
  first.world_size = second.world_size = 2;
  second.first_rank = 1;
  parts.fingerprint = 0x0123456789abcdef;
  RankGroup leader(first, parts, &clock_);
  parts.fingerprint ^= uint64_t{1} << 63;
  RankGroup follower(second, parts, &clock_);
  Status other;
  std::thread thread([&] { other = follower.Start(); });
  const Status status = leader.Start();
  thread.join();
  EXPECT_THAT(std::string(Message(status)), HasSubstr("different weights or settings"));
  EXPECT_FALSE(other.ok());
}

TEST_F(RankGroupTest, APlanOutOfBoundsFailsTheGroup) {
  RankGroup group(Ranks(2), FakeRankParts(2), &clock_);
  ASSERT_TRUE(group.Start().ok());
  group.Submit(PlanAfter(1, fakes::FakeModelRunner::kVocab));
  EXPECT_THAT(std::string(Message(group.Await().status())), HasSubstr("vocabulary"));
}

TEST_F(RankGroupTest, StopWakesAwaitAndRanksFromAnyThread) {
  absl::Notification inside;
  RankGroupOptions options = Ranks(1);
  options.world_size = 2;
  RankGroup group(options, FakeRankParts(2), &clock_);
  std::thread starter([&] {
    inside.Notify();
    EXPECT_FALSE(group.Start().ok());  // rank 1 never comes
  });
  inside.WaitForNotification();
  std::vector<std::thread> stoppers;
  for (int i = 0; i < 3; ++i) stoppers.emplace_back([&group] { group.Stop(); });
  for (std::thread& stopper : stoppers) stopper.join();
  starter.join();
  EXPECT_FALSE(group.Await().ok());
  group.Stop();
}

TEST_F(RankGroupTest, StopInTheMiddleOfAStepReturns) {
  std::atomic<int> entered{0};
  absl::Notification in_step;
  RankGroupOptions options = Ranks(1);
  options.world_size = 2;
  RankGroupOptions other = options;
  other.first_rank = 1;
  const RankParts parts = FakeRankParts(2, [&](int, const engine::StepPlan&) {
    if (++entered == 1) in_step.Notify();
  });
  RankGroup group(options, parts, &clock_);
  RankGroup peer(other, parts, &clock_);
  std::thread thread([&peer] { EXPECT_TRUE(peer.Start().ok()); });
  ASSERT_TRUE(group.Start().ok());
  thread.join();
  group.Submit(PlanAfter(1, 10));  // the peer gets no plan: rank 0 waits for it in the collective
  in_step.WaitForNotification();
  group.Stop();
  EXPECT_EQ(group.Await().status().code(), StatusCode::kUnavailable);
}

TEST_F(RankGroupTest, ASequenceThatFailsHarmsNoOther) {
  RankGroup group(Ranks(2), FakeRankParts(2), &clock_);
  ASSERT_TRUE(group.Start().ok());
  auto plan = std::make_shared<engine::StepPlan>(*PlanAfter(1, 10));
  plan->sequences.push_back(plan->sequences[0]);
  plan->sequences[0].sample->allowed = {1000};
  group.Submit(plan);
  const auto result = group.Await();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NE(result->sequences[0].error, "");
  EXPECT_EQ(result->sequences[1].chosen->id, 12);
  EXPECT_EQ(group.state(), State::kReady);
}

}  // namespace
}  // namespace triptych::shard
