#include "worker/shard/distributed_shard_group.h"

#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/direct_channel.h"
#include "tests/fakes/test_ranks.h"
#include "worker/shard/follower_loop.h"
#include "worker/shard/step_codec.h"

namespace triptych::shard {
namespace {

using State = engine::ShardGroup::State;
using fakes::PlanAfter;
using ::testing::HasSubstr;

// A leader with rank 0 and a follower with ranks 1 and 2, as if in two processes.
class DistributedShardGroupTest : public ::testing::Test {
 protected:
  void Start(fakes::FakeModelRunner::OnForward on_forward = {}, uint64_t breaks_at = ~uint64_t{0}) {
    const RankParts parts = fakes::FakeRankParts(3, std::move(on_forward));
    RankGroupOptions options{.world_size = 3, .num_ranks = 1, .bounds = fakes::kFakeBounds};
    RankGroupOptions theirs = options;
    theirs.first_rank = 1;
    theirs.num_ranks = 2;
    follower_ = std::make_unique<FollowerLoop>(
        theirs,
        parts,
        FollowerLoop::Events{.on_step_done = [this](uint64_t step) { last_step_ = step; },
                             .on_failed =
                                 [this](const Status& why) {
                                   why_ = why;
                                   failed_.Notify();
                                 }},
        &clock_);
    std::vector<std::unique_ptr<PlanChannel>> channels;
    channels.push_back(std::make_unique<fakes::DirectChannel>(follower_.get(), breaks_at));
    leader_ = std::make_unique<DistributedShardGroup>(options, parts, std::move(channels), &clock_);
    std::thread thread([this] { EXPECT_TRUE(follower_->Start().ok()); });
    EXPECT_TRUE(leader_->Start().ok());
    thread.join();
  }

  SteadyClock clock_;
  std::atomic<uint64_t> last_step_{0};
  Status why_;
  absl::Notification failed_;
  std::unique_ptr<FollowerLoop> follower_;
  std::unique_ptr<DistributedShardGroup> leader_;
};

TEST_F(DistributedShardGroupTest, RanksOfBothSidesComputeTogether) {
  Start();
  for (uint64_t step = 1; step <= 20; ++step) {
    leader_->Submit(PlanAfter(step, 10));
    const auto result = leader_->Await();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->sequences.at(0).chosen->id, 13);
  }
  leader_->Stop();
  follower_->Stop();
  failed_.WaitForNotification();
  EXPECT_GE(last_step_, 19u);  // the last report may be lost to Stop()
}

TEST_F(DistributedShardGroupTest, ABrokenChannelFailsTheGroup) {
  Start({}, /*breaks_at=*/2);
  leader_->Submit(PlanAfter(1, 10));
  EXPECT_TRUE(leader_->Await().ok());
  leader_->Submit(PlanAfter(2, 10));
  EXPECT_THAT(std::string(Message(leader_->Await().status())), HasSubstr("the connection broke"));
  EXPECT_EQ(leader_->state(), State::kFailed);
}

TEST_F(DistributedShardGroupTest, AFailedFollowerSaysWhy) {
  Start([](int rank, const engine::StepPlan& plan) {
    if (rank == 2 && plan.step == 2) throw std::runtime_error("out of luck");
  });
  leader_->Submit(PlanAfter(1, 10));
  EXPECT_TRUE(leader_->Await().ok());
  leader_->Submit(PlanAfter(2, 10));
  failed_.WaitForNotification();
  EXPECT_THAT(std::string(Message(why_)), HasSubstr("out of luck"));
  leader_->FollowerFailed(why_);
  EXPECT_THAT(std::string(Message(leader_->Await().status())), HasSubstr("out of luck"));
}

TEST_F(DistributedShardGroupTest, ALostFollowerWakesTheLeader) {
  absl::Notification released;
  Start([&released](int rank, const engine::StepPlan&) {
    if (rank == 2) released.WaitForNotification();
  });
  leader_->Submit(PlanAfter(1, 10));
  leader_->FollowerFailed(Unavailable("its stream broke"));
  EXPECT_THAT(std::string(Message(leader_->Await().status())), HasSubstr("its stream broke"));
  released.Notify();
  leader_->Stop();
  follower_->Stop();  // before `released` goes: its rank may only now begin to wait
}

TEST_F(DistributedShardGroupTest, FollowersTrustNoPlan) {
  const std::string good = EncodePlan(*PlanAfter(5, 10));
  for (const auto& [bytes, message] : {std::pair{std::string("garbage!"), "version"},
                                       std::pair{good.substr(0, good.size() - 1), "cut short"},
                                       std::pair{EncodePlan(*PlanAfter(5, 51)), "vocabulary"}}) {
    const RankParts parts = fakes::FakeRankParts(1);
    absl::Notification failed;
    FollowerLoop follower({.bounds = fakes::kFakeBounds},
                          parts,
                          {.on_step_done = [](uint64_t) {},
                           .on_failed = [&failed](const Status&) { failed.Notify(); }},
                          &clock_);
    ASSERT_TRUE(follower.Start().ok());
    follower.OnPlan(bytes);
    failed.WaitForNotification();
    EXPECT_EQ(follower.state(), State::kFailed) << message;
  }
}

TEST_F(DistributedShardGroupTest, APlanThatComesTwiceFailsTheFollower) {
  Start();
  follower_->OnPlan(EncodePlan(*PlanAfter(5, 10)));
  follower_->OnPlan(EncodePlan(*PlanAfter(5, 10)));
  failed_.WaitForNotification();
  EXPECT_THAT(std::string(Message(why_)), HasSubstr("step 5 came again"));
}

TEST_F(DistributedShardGroupTest, ALeaderThatRunsAheadIsCutOff) {
  Start();  // and gives its own rank nothing: the follower's wait in their first collective
  for (uint64_t step = 1; !failed_.HasBeenNotified() && step < 100; ++step) {
    follower_->OnPlan(EncodePlan(*PlanAfter(step, 10)));
  }
  failed_.WaitForNotification();
  EXPECT_THAT(std::string(Message(why_)), HasSubstr("steps ahead"));
}

}  // namespace
}  // namespace triptych::shard
