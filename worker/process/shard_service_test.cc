#include "worker/process/shard_service.h"

#include <atomic>
#include <future>

#include "common/limits.h"
#include "common/rpc/server.h"
#include "gtest/gtest.h"

namespace triptych::worker {
namespace {

constexpr std::chrono::seconds kLong{20};

// One follower's service behind a real server, and leaders' channels to it.
class ShardServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.AddService(&service_);
    ASSERT_TRUE(server_.Start().ok());
  }
  void TearDown() override { server_.Stop(std::chrono::milliseconds(0)); }

  std::unique_ptr<GrpcPlanChannel> Lead(const std::string& group_id, std::promise<Status>* broken = nullptr) {
    return std::make_unique<GrpcPlanChannel>(&runtime_, &channels_, "127.0.0.1:" + std::to_string(server_.port()), group_id, [broken](Status why) {
      if (broken != nullptr) broken->set_value(std::move(why));
    });
  }

  std::promise<std::string> first_plan_;
  std::promise<Status> leader_left_;
  IoRuntime runtime_{2};
  ChannelPool channels_;
  ShardService service_{&runtime_,
                        {.on_plan = [this](const std::string& plan) { first_plan_.set_value(plan); },
                         .on_broken = [this](Status why) { leader_left_.set_value(std::move(why)); }}};
  RpcServer server_{{.listen = {"127.0.0.1", 0}, .max_message_bytes = kMaxGrpcMessageBytes, .max_streams_per_connection = 100}};
};

TEST_F(ShardServiceTest, ALeaderThatHeardFirstOfTheGroupWaitsForTheFollower) {
  auto leader = Lead("group-1");
  ASSERT_TRUE(leader->Send(1, "plan").ok());
  auto plan = first_plan_.get_future();
  EXPECT_EQ(plan.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  service_.Expect("group-1");
  ASSERT_EQ(plan.wait_for(kLong), std::future_status::ready);
  EXPECT_EQ(plan.get(), "plan");
  leader.reset();
  EXPECT_EQ(leader_left_.get_future().get().code(), StatusCode::kUnavailable);
}

TEST_F(ShardServiceTest, AnotherGroupsLeaderIsRefused) {
  service_.Expect("group-2");
  std::promise<Status> broken;
  const auto leader = Lead("group-1", &broken);
  EXPECT_EQ(broken.get_future().get().code(), StatusCode::kUnavailable);
}

TEST_F(ShardServiceTest, ThereIsOneLeader) {
  service_.Expect("group-1");
  const auto leader = Lead("group-1");
  ASSERT_TRUE(leader->Send(1, "plan").ok());
  ASSERT_EQ(first_plan_.get_future().wait_for(kLong), std::future_status::ready);
  std::promise<Status> broken;
  const auto second = Lead("group-1", &broken);
  EXPECT_EQ(broken.get_future().get().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace triptych::worker
