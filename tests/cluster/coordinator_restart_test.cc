// The coordinator goes away under open streams, and comes back knowing nothing.
#include "tests/cluster/cluster_test.h"

namespace triptych::cluster_test {
namespace {

class CoordinatorRestartTest : public ClusterTest {
 protected:
  void AwaitReadyAgain(size_t workers) {
    const uint64_t incarnation = cluster_.coordinator().incarnation();
    cluster_.AwaitView("all are back", [&](const ClusterView& view) {
      return view.coordinator == incarnation && view.workers.size() == workers &&
             std::ranges::all_of(view.workers, [](const auto& worker) { return worker.second.state() == internal::v1::WORKER_STATE_READY; });
    });
    AwaitTrue("all have registered", [&] {
      const internal::v1::ClusterUpdate view = cluster_.coordinator().View();
      return view.workers_size() == static_cast<int>(workers) &&
             std::ranges::all_of(view.workers(), [](const auto& worker) { return worker.state() == internal::v1::WORKER_STATE_READY; });
    });
  }
};

TEST_F(CoordinatorRestartTest, StreamsGoOnAndWorkersRegisterAgain) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  cluster_.AddDecoder("d1");
  cluster_.AddEncoder("e0");
  const std::shared_ptr<router::WorkerHandle> handle = cluster_.HandleOf(decoder.shell());
  decoder.HoldAfter(5);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("undisturbed", 60);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(5);
  cluster_.coordinator().Stop();
  cluster_.coordinator().Start();
  AwaitReadyAgain(3);
  EXPECT_FALSE(handle->fenced());
  decoder.Release();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.finished.at(0).timings().migrations(), 0u);
}

TEST_F(CoordinatorRestartTest, WithoutACoordinatorRequestsAreServedByTheLastView) {
  LocalDecoder& first = cluster_.AddDecoder("d0");
  LocalDecoder& second = cluster_.AddDecoder("d1");
  cluster_.AddEncoder("e0");
  cluster_.coordinator().Stop();
  for (uint32_t i = 0; i < 4; ++i) {
    const v1::GenerateRequest request = LocalCluster::MakeRequest("nobody leads ", 20, {i});
    const Heard heard = cluster_.Generate(request);
    ASSERT_TRUE(heard.complete()) << heard.why();
    EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  }
  EXPECT_EQ(first.stats().completed + second.stats().completed, 4u);
  cluster_.coordinator().Start();
  AwaitReadyAgain(3);
}

TEST_F(CoordinatorRestartTest, AStreamSurvivesManyRestarts) {
  LocalDecoder& decoder = cluster_.AddDecoder("d0");
  decoder.HoldAfter(5);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("undisturbed", 60);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(5);
  for (int i = 0; i < 3; ++i) {
    cluster_.coordinator().Stop();
    cluster_.coordinator().Start();
    AwaitReadyAgain(1);
  }
  decoder.Release();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
}

// A worker that is lost while the coordinator is away: its streams move all the same.
TEST_F(CoordinatorRestartTest, AStreamMovesWithoutACoordinator) {
  LocalDecoder& first = cluster_.AddDecoder("d0");
  LocalDecoder& second = cluster_.AddDecoder("d1");
  first.HoldAfter(5);
  second.HoldAfter(5);
  const v1::GenerateRequest request = LocalCluster::MakeRequest("on my own", 60);
  const auto call = cluster_.Start(request);
  call->AwaitTokens(5);
  cluster_.coordinator().Stop();
  const bool at_first = first.stats().accepted == 1;
  (at_first ? second : first).Release();
  (at_first ? first : second).Kill();
  const Heard& heard = call->Finish();
  ASSERT_TRUE(heard.complete()) << heard.why();
  EXPECT_EQ(heard.ids.at(0), cluster_.AnswerTo(request));
  EXPECT_EQ(heard.finished.at(0).timings().migrations(), 1u);
}

}  // namespace
}  // namespace triptych::cluster_test
