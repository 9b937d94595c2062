#include "coordinator/scale_signals.h"

#include "gtest/gtest.h"

namespace triptych::coordinator {
namespace {

using namespace internal::v1;  // NOLINT: this file is about little else
using std::chrono::milliseconds;
using std::chrono::seconds;

class ScaleSignalsTest : public testing::Test {
 protected:
  Worker& Add(WorkerRole role, WorkerState state = WORKER_STATE_READY) {
    Worker& worker = *view_.add_workers();
    worker.mutable_registration()->set_incarnation(static_cast<uint64_t>(view_.workers_size()));
    worker.mutable_registration()->add_roles(role);
    worker.mutable_registration()->mutable_model()->set_name("m");
    worker.mutable_registration()->mutable_capacity()->set_max_sequences(10);
    worker.mutable_registration()->mutable_capacity()->set_kv_blocks(100);
    worker.set_state(state);
    worker.set_leads(true);
    return worker;
  }
  void Pass(seconds time) {
    for (const TimePoint end = now_ + time; now_ < end;) {
      now_ += milliseconds(250);
      signals_.Observe(view_, now_);
    }
  }
  double Desired(WorkerRole role) const {
    return signals_.signals().at({role, "m"}).desired_replicas;
  }
  double Ratio(WorkerRole role) const { return signals_.signals().at({role, "m"}).desired_ratio; }

  TimePoint now_{};
  ScaleSignals signals_{now_, seconds(4)};
  ClusterUpdate view_;
};

TEST_F(ScaleSignalsTest, SaysNothingUntilWorkersHadTimeToJoinAgain) {
  Add(WORKER_ROLE_DECODER);
  Pass(seconds(3));
  EXPECT_TRUE(signals_.signals().empty());
  Pass(seconds(2));
  EXPECT_EQ(Desired(WORKER_ROLE_DECODER), 0);
}

TEST_F(ScaleSignalsTest, SumsOverDecodersThatLead) {
  for (int i = 0; i < 4; ++i) Add(WORKER_ROLE_DECODER).mutable_load()->set_running_sequences(5);
  Worker& follower = Add(WORKER_ROLE_DECODER);
  follower.set_leads(false);
  Pass(seconds(5));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 2);
  EXPECT_DOUBLE_EQ(Ratio(WORKER_ROLE_DECODER), 0.5);
}

TEST_F(ScaleSignalsTest, ASuspectWorkersPoolDoesNotSink) {
  Add(WORKER_ROLE_DECODER).mutable_load()->set_running_sequences(8);
  Add(WORKER_ROLE_DECODER).mutable_load()->set_running_sequences(8);
  Pass(seconds(5));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 1.6);
  view_.mutable_workers(1)->set_state(WORKER_STATE_SUSPECT);
  Pass(seconds(1));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 1.6);
  view_.mutable_workers(0)->mutable_load()->set_waiting_sequences(12);
  Pass(seconds(1));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 2) << "but it may rise";
  view_.mutable_workers(1)->set_state(WORKER_STATE_READY);
  view_.mutable_workers(0)->clear_load();
  Pass(seconds(1));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.8);
}

TEST_F(ScaleSignalsTest, APoolWithoutAReadyWorkerKeepsItsNumber) {
  Add(WORKER_ROLE_DECODER).mutable_load()->set_running_sequences(8);
  Pass(seconds(5));
  view_.mutable_workers(0)->set_state(WORKER_STATE_LOADING);
  view_.mutable_workers(0)->clear_load();
  Pass(seconds(60));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.8);
  view_.clear_workers();
  Pass(seconds(60));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.8);
}

TEST_F(ScaleSignalsTest, WorkersThatDrainOrLoadDoNotCount) {
  Add(WORKER_ROLE_DECODER).mutable_load()->set_running_sequences(5);
  Add(WORKER_ROLE_DECODER, WORKER_STATE_DRAINING).mutable_load()->set_running_sequences(10);
  Add(WORKER_ROLE_DECODER, WORKER_STATE_LOADING);
  Pass(seconds(5));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.5);
  EXPECT_DOUBLE_EQ(Ratio(WORKER_ROLE_DECODER), 0.5);
}

TEST_F(ScaleSignalsTest, AFullDecodersOutputIsLearnedAndThenCounts) {
  Worker& decoder = Add(WORKER_ROLE_DECODER);
  decoder.mutable_load()->set_running_sequences(2);
  decoder.mutable_load()->set_tokens_per_second(100);
  Pass(seconds(10));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.2) << "what it can do is not known yet";
  decoder.mutable_load()->set_running_sequences(10);
  decoder.mutable_load()->set_tokens_per_second(400);
  Pass(seconds(1));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 1);
  decoder.mutable_load()->set_running_sequences(2);
  decoder.mutable_load()->set_tokens_per_second(300);
  Pass(seconds(1));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.75);
  decoder.mutable_registration()->set_incarnation(99);
  Pass(seconds(1));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.2) << "a new process learns anew";
}

TEST_F(ScaleSignalsTest, BusyEncodersAreSmoothedAndBacklogCountsAtOnce) {
  Worker& encoder = Add(WORKER_ROLE_ENCODER);
  encoder.mutable_load()->set_running_tiles(3);
  Pass(seconds(30));
  EXPECT_NEAR(Desired(WORKER_ROLE_ENCODER), 0.63, 0.01);
  Pass(seconds(300));
  EXPECT_NEAR(Desired(WORKER_ROLE_ENCODER), 1, 0.01);
  encoder.mutable_load()->set_tiles_per_second(10);
  encoder.mutable_load()->set_waiting_tiles(200);
  Pass(seconds(1));
  EXPECT_NEAR(Desired(WORKER_ROLE_ENCODER), 3, 0.01);
}

TEST_F(ScaleSignalsTest, FullDecodersTakeTheirShareOffTheEncodersBacklog) {
  Worker& encoder = Add(WORKER_ROLE_ENCODER);
  encoder.mutable_load()->set_tiles_per_second(10);
  encoder.mutable_load()->set_waiting_tiles(200);
  Add(WORKER_ROLE_DECODER).mutable_load()->set_waiting_sequences(40);
  Pass(seconds(5));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 4);
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_ENCODER), 0.5);
}

TEST_F(ScaleSignalsTest, PicturesAtEncodersAreNoWorkForDecoders) {
  Add(WORKER_ROLE_ENCODER).mutable_load()->set_running_tiles(35);
  Add(WORKER_ROLE_DECODER).mutable_load()->set_waiting_sequences(40);
  Pass(seconds(5));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.5);
}

TEST_F(ScaleSignalsTest, ModelsHavePoolsOfTheirOwn) {
  Add(WORKER_ROLE_DECODER).mutable_load()->set_running_sequences(5);
  Worker& other = Add(WORKER_ROLE_DECODER);
  other.mutable_registration()->mutable_model()->set_name("n");
  Pass(seconds(5));
  EXPECT_DOUBLE_EQ(Desired(WORKER_ROLE_DECODER), 0.5);
  EXPECT_DOUBLE_EQ(signals_.signals().at({WORKER_ROLE_DECODER, "n"}).desired_replicas, 0);
}

}  // namespace
}  // namespace triptych::coordinator
