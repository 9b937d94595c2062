#include "worker/shard/timed_communicator.h"

#include <optional>

#include <ATen/ops/ones.h>

#include "gtest/gtest.h"

namespace triptych::shard {
namespace {

class HandClock final : public Clock {
 public:
  TimePoint Now() const override { return now; }
  TimePoint now{std::chrono::seconds(5)};
};

// Looks at the time it is said to be inside, from inside each collective.
class LookingCommunicator final : public comm::Communicator {
 public:
  int rank() const override { return 1; }
  int size() const override { return 3; }
  void AllReduceSum(at::Tensor&) override { Look(); }
  at::Tensor AllGather(const at::Tensor& part) override {
    Look();
    return part;
  }
  void Broadcast(at::Tensor&, int) override {
    Look();
    throw comm::CommunicatorError("aborted");
  }
  void Abort(const Status& why) override { aborted = why; }

  void Look() { seen = outside->blocked_since(); }

  const TimedCommunicator* outside = nullptr;
  std::optional<TimePoint> seen;
  Status aborted;
};

class TimedCommunicatorTest : public ::testing::Test {
 protected:
  TimedCommunicatorTest()
      : inner_(new LookingCommunicator),
        timed_(std::unique_ptr<comm::Communicator>(inner_), &clock_) {
    inner_->outside = &timed_;
  }

  HandClock clock_;
  LookingCommunicator* inner_;  // owned by timed_
  TimedCommunicator timed_;
  at::Tensor data_ = at::ones({1, 1});
};

TEST_F(TimedCommunicatorTest, KnowsSinceWhenItIsInside) {
  EXPECT_FALSE(timed_.blocked_since());
  timed_.AllReduceSum(data_);
  EXPECT_EQ(inner_->seen, clock_.now);
  EXPECT_FALSE(timed_.blocked_since());
  clock_.now += std::chrono::seconds(1);
  timed_.AllGather(data_);
  EXPECT_EQ(inner_->seen, clock_.now);
  EXPECT_FALSE(timed_.blocked_since());
}

TEST_F(TimedCommunicatorTest, IsOutsideAfterAnException) {
  EXPECT_THROW(timed_.Broadcast(data_, 0), comm::CommunicatorError);
  EXPECT_TRUE(inner_->seen);
  EXPECT_FALSE(timed_.blocked_since());
}

TEST_F(TimedCommunicatorTest, IsTheSameCommunicator) {
  EXPECT_EQ(timed_.rank(), 1);
  EXPECT_EQ(timed_.size(), 3);
  timed_.Abort(Unavailable("gone"));
  EXPECT_EQ(Message(inner_->aborted), "gone");
}

}  // namespace
}  // namespace triptych::shard
