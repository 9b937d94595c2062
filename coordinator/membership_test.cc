#include "coordinator/membership.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/manual_clock.h"

namespace triptych::coordinator {
namespace {

using namespace internal::v1;  // NOLINT: this file is about little else
using std::chrono::milliseconds;

class MembershipTest : public testing::Test {
 protected:
  static Register Decoder(const std::string& id, uint64_t incarnation) {
    Register registration;
    registration.set_worker_id(id);
    registration.set_incarnation(incarnation);
    registration.add_roles(WORKER_ROLE_DECODER);
    registration.set_address("127.0.0.1:1");
    return registration;
  }
  static Register Part(const std::string& id, uint64_t incarnation, uint32_t first, uint32_t count, const std::string& group_id = "") {
    Register registration = Decoder(id, incarnation);
    registration.mutable_group()->set_group("g");
    registration.mutable_group()->set_first_rank(first);
    registration.mutable_group()->set_num_ranks(count);
    registration.mutable_group()->set_world_size(4);
    registration.mutable_group()->set_group_id(group_id);
    return registration;
  }
  static Heartbeat Report(WorkerState state, uint64_t steps = 0, bool has_work = false) {
    Heartbeat heartbeat;
    heartbeat.set_state(state);
    heartbeat.set_steps(steps);
    heartbeat.set_has_work(has_work);
    return heartbeat;
  }
  Membership::SessionId Join(const Register& registration) {
    const auto session = membership_.Join(registration, [this, id = registration.worker_id()](WorkerCommand command) {
      if (!command.has_lease()) commands_[id].push_back(std::move(command));
    });
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? *session : 0;
  }
  std::map<std::string, WorkerState> States() const {
    std::map<std::string, WorkerState> states;
    const ClusterUpdate view = membership_.UpdateSince(0);
    for (const Worker& worker : view.workers()) states[worker.registration().worker_id()] = worker.state();
    return states;
  }
  void Pass(milliseconds time) {
    clock_.Advance(time);
    membership_.Tick();
  }

  fakes::ManualClock clock_;
  Membership membership_{{milliseconds(2000), milliseconds(5000)}, &clock_, 77, [] {}};
  std::map<std::string, std::vector<WorkerCommand>> commands_;
};

TEST_F(MembershipTest, AWorkersStateIsItsOwnWordWhileItsLeaseRuns) {
  const auto session = Join(Decoder("a", 1));
  EXPECT_EQ(States()["a"], WORKER_STATE_STARTING);
  ASSERT_TRUE(membership_.Beat(session, Report(WORKER_STATE_READY)).ok());
  EXPECT_EQ(States()["a"], WORKER_STATE_READY);
  Pass(milliseconds(2100));
  EXPECT_EQ(States()["a"], WORKER_STATE_SUSPECT);
  ASSERT_TRUE(membership_.Beat(session, Report(WORKER_STATE_READY)).ok());
  EXPECT_EQ(States()["a"], WORKER_STATE_READY);
  Pass(milliseconds(4100));
  EXPECT_EQ(States().count("a"), 0u);
  EXPECT_EQ(membership_.Beat(session, Report(WORKER_STATE_READY)).code(), StatusCode::kAborted);
  EXPECT_EQ(membership_.Join(Decoder("a", 1), nullptr).status().code(), StatusCode::kAborted) << "its incarnation is fenced";
  EXPECT_EQ(membership_.leases_expired(), 1u);
  Join(Decoder("a", 2));
}

TEST_F(MembershipTest, ANewIncarnationFencesTheOld) {
  const auto old = Join(Decoder("a", 1));
  Join(Decoder("a", 2));
  ASSERT_EQ(commands_["a"].size(), 1u);
  EXPECT_TRUE(commands_["a"][0].has_stop());
  EXPECT_EQ(membership_.Beat(old, Report(WORKER_STATE_READY)).code(), StatusCode::kAborted);
  EXPECT_EQ(membership_.UpdateSince(0).workers(0).registration().incarnation(), 2u);
}

TEST_F(MembershipTest, ABrokenStreamIsSuspectAtOnceAndTheSameIncarnationMayComeBack) {
  const auto session = Join(Decoder("a", 1));
  ASSERT_TRUE(membership_.Beat(session, Report(WORKER_STATE_READY)).ok());
  membership_.Leave(session);
  EXPECT_EQ(States()["a"], WORKER_STATE_SUSPECT);
  const auto again = Join(Decoder("a", 1));
  ASSERT_TRUE(membership_.Beat(again, Report(WORKER_STATE_READY)).ok());
  EXPECT_EQ(States()["a"], WORKER_STATE_READY);
  membership_.Leave(session);  // the old stream's end comes late
  EXPECT_EQ(States()["a"], WORKER_STATE_READY);
}

TEST_F(MembershipTest, WorkWithoutProgressIsSuspect) {
  const auto session = Join(Decoder("a", 1));
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(membership_.Beat(session, Report(WORKER_STATE_READY, 9, true)).ok());
    Pass(milliseconds(1000));
  }
  EXPECT_EQ(States()["a"], WORKER_STATE_SUSPECT);
  ASSERT_TRUE(membership_.Beat(session, Report(WORKER_STATE_READY, 10, true)).ok());
  EXPECT_EQ(States()["a"], WORKER_STATE_READY);
}

TEST_F(MembershipTest, DeltasTellWhatChangedSince) {
  Join(Decoder("a", 1));
  const auto b = Join(Decoder("b", 2));
  const ClusterUpdate full = membership_.UpdateSince(0);
  EXPECT_TRUE(full.full());
  EXPECT_EQ(full.workers_size(), 2);
  ASSERT_TRUE(membership_.Beat(b, Report(WORKER_STATE_READY)).ok());
  ClusterUpdate delta = membership_.UpdateSince(full.version());
  EXPECT_FALSE(delta.full());
  ASSERT_EQ(delta.workers_size(), 1);
  EXPECT_EQ(delta.workers(0).registration().worker_id(), "b");
  ASSERT_TRUE(membership_.Beat(b, Report(WORKER_STATE_GONE)).ok());
  delta = membership_.UpdateSince(delta.version());
  EXPECT_EQ(delta.workers_size(), 0);
  ASSERT_EQ(delta.removed_size(), 1);
  EXPECT_EQ(delta.removed(0), "b");
  EXPECT_TRUE(membership_.UpdateSince(1u << 30).full()) << "a version of another coordinator";
}

TEST_F(MembershipTest, AGroupFormsWhenAllRanksAreThereAndBreaksAsOne) {
  Join(Part("a", 1, 0, 2));
  EXPECT_TRUE(commands_.empty());
  EXPECT_FALSE(membership_.UpdateSince(0).workers(0).leads());
  EXPECT_EQ(membership_.Join(Part("x", 9, 1, 2), nullptr).status().code(), StatusCode::kFailedPrecondition);
  const auto b = Join(Part("b", 2, 2, 2));
  ASSERT_EQ(commands_["a"].size(), 1u);
  ASSERT_EQ(commands_["b"].size(), 1u);
  const FormGroup& form = commands_["a"][0].form_group();
  ASSERT_EQ(form.members_size(), 2);
  EXPECT_EQ(form.members(0).worker_id(), "a");
  EXPECT_TRUE(membership_.HasGroup(form.group_id()));
  EXPECT_TRUE(membership_.UpdateSince(0).workers(0).leads());
  ASSERT_TRUE(membership_.Beat(b, Report(WORKER_STATE_GONE)).ok());
  ASSERT_EQ(commands_["a"].size(), 2u);
  EXPECT_TRUE(commands_["a"][1].has_stop());
  EXPECT_EQ(States()["a"], WORKER_STATE_SUSPECT);
  Join(Part("b", 3, 2, 2));
  EXPECT_EQ(commands_["b"].size(), 1u) << "the old part is still there";
  Join(Part("a", 4, 0, 2));
  EXPECT_EQ(commands_["b"].size(), 2u) << "formed anew";
}

TEST_F(MembershipTest, AFormedGroupJoinsANewCoordinatorUndisturbed) {
  Join(Part("a", 1, 0, 2, "g-old-1"));
  Join(Part("b", 2, 2, 2, "g-old-1"));
  EXPECT_TRUE(commands_.empty());
  EXPECT_TRUE(membership_.UpdateSince(0).workers(0).leads());
}

TEST_F(MembershipTest, DrainGoesToTheWorker) {
  EXPECT_EQ(membership_.Drain("a", milliseconds(5)).status().code(), StatusCode::kNotFound);
  Join(Decoder("a", 1));
  EXPECT_EQ(membership_.Drain("a", milliseconds(5)).value_or(0), 1u);
  ASSERT_EQ(commands_["a"].size(), 1u);
  EXPECT_EQ(commands_["a"][0].drain().deadline_ms(), 5u);
}

}  // namespace
}  // namespace triptych::coordinator
