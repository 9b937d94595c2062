#include "worker/engine/engine_loop.h"

#include <future>

#include "common/status_reason.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_shard_group.h"

namespace triptych::engine {
namespace {

// Tells how a request ended.
struct Ending final : RequestSink {
  void OnAdmitted(int32_t) override {}
  void OnProgress(int32_t, int32_t) override {}
  void OnTokens(int32_t, int32_t, std::vector<ScoredToken> tokens) override { count += static_cast<int>(tokens.size()); }
  void OnFinished(int32_t, FinishReason, int32_t, double, std::vector<ScoredToken>, RequestTimings) override { done.set_value(OkStatus()); }
  void OnFailed(Status why) override { done.set_value(why); }
  std::atomic<int> count = 0;
  std::promise<Status> done;
};

class EngineLoopTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(loop_.Start().ok()); }
  Status Submit(RequestId id, int32_t max_new, std::shared_ptr<Ending> ending) {
    auto request = std::make_unique<Request>();
    request->id = id;
    request->prompt = {1, 2, 3};
    request->max_new_tokens = max_new;
    request->sampling = std::make_shared<SamplingParams>();
    return loop_.Submit(std::move(request), std::move(ending));
  }
  void AwaitIdle() {
    while (loop_.stats().accepted != loop_.stats().completed + loop_.stats().failed + loop_.stats().cancelled || loop_.stats().used_blocks != 0) {
      std::this_thread::yield();
    }
  }
  SteadyClock clock_;
  fakes::FakeShardGroup group_{64, 50};
  EngineLoop loop_{{.num_blocks = 64, .max_sequences = 8, .max_step_tokens = 64, .max_waiting = 100, .context_tokens = 256}, &group_, &clock_, nullptr};
};

TEST_F(EngineLoopTest, TenThousandShortRequestsLeaveNothingBehind) {
  for (int wave = 0; wave < 100; ++wave) {
    std::vector<std::shared_ptr<Ending>> endings;
    for (int i = 0; i < 100; ++i) {
      endings.push_back(std::make_shared<Ending>());
      ASSERT_TRUE(Submit(1 + wave * 100 + i, 3, endings.back()).ok());
    }
    for (const auto& ending : endings) ASSERT_TRUE(ending->done.get_future().get().ok());
  }
  AwaitIdle();
  EXPECT_EQ(loop_.stats().accepted, 10'000u);
  EXPECT_EQ(loop_.stats().completed, 10'000u);
  EXPECT_EQ(loop_.stats().live, 0);
}

TEST_F(EngineLoopTest, CancelledRequestsFreeTheirBlocks) {
  for (int i = 1; i <= 50; ++i) {
    auto ending = std::make_shared<Ending>();
    ASSERT_TRUE(Submit(i, 250, ending).ok());
    while (i % 2 == 0 && ending->count == 0) std::this_thread::yield();
    loop_.Cancel(i);
  }
  AwaitIdle();
  EXPECT_EQ(loop_.stats().live, 0);
}

TEST_F(EngineLoopTest, ACancelTakesEffectAfterTheRunningStep) {
  group_.Hold(true);
  auto ending = std::make_shared<Ending>();
  ASSERT_TRUE(Submit(1, 250, ending).ok());
  while (loop_.stats().running == 0) std::this_thread::yield();  // its first step waits in the group
  loop_.Cancel(1);
  group_.Hold(false);
  AwaitIdle();
  EXPECT_EQ(loop_.stats().cancelled, 1u);
  EXPECT_EQ(loop_.stats().used_blocks, 0);
  EXPECT_EQ(loop_.stats().steps, 1u);
  EXPECT_EQ(loop_.stats().cancel_steps, 1u);
}

TEST_F(EngineLoopTest, AFullWaitingLineRefuses) {
  group_.Hold(true);
  Status status = OkStatus();
  for (int i = 1; i <= 200 && status.ok(); ++i) status = Submit(i, 2, std::make_shared<Ending>());
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  group_.Hold(false);
  AwaitIdle();
  EXPECT_EQ(Submit(1000, 10'000, std::make_shared<Ending>()).code(), StatusCode::kInvalidArgument);
}

TEST_F(EngineLoopTest, AFailedGroupFailsAllAndSaysWhy) {
  group_.Hold(true);
  auto ending = std::make_shared<Ending>();
  ASSERT_TRUE(Submit(1, 10, ending).ok());
  group_.Fail(Unavailable("rank 1 is gone"));
  group_.Hold(false);
  const Status status = ending->done.get_future().get();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(Message(loop_.health()), "rank 1 is gone");
  EXPECT_EQ(Submit(2, 10, std::make_shared<Ending>()).code(), StatusCode::kUnavailable);
}

TEST_F(EngineLoopTest, StoppingFailsWhatIsLeft) {
  auto ending = std::make_shared<Ending>();
  ASSERT_TRUE(Submit(1, 250, ending).ok());
  loop_.Stop();
  loop_.Stop();
  const Status status = ending->done.get_future().get();
  EXPECT_TRUE(status.ok() || ReasonOf(status) == "ENGINE_STOPPED") << status;
}

}  // namespace
}  // namespace triptych::engine
