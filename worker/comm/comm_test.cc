// Both communicators, by the same tests: threads of this process stand for ranks.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <barrier>
#include <csignal>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/comm/gloo.h"
#include "worker/comm/local.h"
#include "worker/comm/local_rendezvous.h"
#include "worker/comm/rank_order_sum.h"

namespace triptych::comm {
namespace {

using Group = std::vector<std::unique_ptr<Communicator>>;

Group MakeGlooGroup(int size, std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  LocalRendezvous rendezvous;
  Group group(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      auto made = ConnectGloo({.rank = rank, .size = size, .timeout = timeout}, &rendezvous);
      if (made.ok()) group[rank] = *std::move(made);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return group;
}

// Runs body(communicator) on a thread for each rank and gives the ranks' results.
template <typename Body>
auto OnRanks(const Group& group, Body body) {
  std::vector<decltype(body(*group[0]))> results(group.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < group.size(); ++rank) {
    threads.emplace_back([&, rank] { results[rank] = body(*group[rank]); });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

struct Kind {
  const char* name;
  Group (*make)(int);
};
class CommunicatorTest : public testing::TestWithParam<std::tuple<Kind, int>> {
 protected:
  void SetUp() override {
    group_ = std::get<0>(GetParam()).make(size());
    for (const auto& communicator : group_) ASSERT_NE(communicator, nullptr);
  }
  int size() const { return std::get<1>(GetParam()); }
  Group group_;
};

at::Tensor PartOf(int rank, int64_t rows) { return at::full({rows, 5}, 1.0f / (rank + 3)) * at::ones({rows, 5}); }

TEST_P(CommunicatorTest, SumsInRankOrderOnEveryRankWhateverTheNumberOfRows) {
  for (const int64_t rows : {1, 2, 3, 17, 300}) {
    at::Tensor wanted = PartOf(0, rows).clone();
    for (int rank = 1; rank < size(); ++rank) wanted.add_(PartOf(rank, rows));
    const auto sums = OnRanks(group_, [&](Communicator& c) {
      at::Tensor data = PartOf(c.rank(), rows);
      c.AllReduceSum(data);
      return data;
    });
    for (const at::Tensor& sum : sums) EXPECT_TRUE(at::equal(sum, wanted)) << rows;
  }
}

TEST_P(CommunicatorTest, GathersColumnsInRankOrder) {
  const auto all = OnRanks(group_, [&](Communicator& c) { return c.AllGather(at::full({2, 3}, c.rank())); });
  std::vector<at::Tensor> parts;
  for (int rank = 0; rank < size(); ++rank) parts.push_back(at::full({2, 3}, rank));
  for (const at::Tensor& one : all) EXPECT_TRUE(at::equal(one, at::cat(parts, 1)));
}

TEST_P(CommunicatorTest, BroadcastsFromAnyRoot) {
  for (int root = 0; root < size(); ++root) {
    const auto all = OnRanks(group_, [&](Communicator& c) {
      at::Tensor data = at::full({4}, c.rank() + 10.0f);
      c.Broadcast(data, root);
      return data;
    });
    for (const at::Tensor& one : all) EXPECT_TRUE(at::equal(one, at::full({4}, root + 10.0f)));
  }
}

TEST_P(CommunicatorTest, ManyCollectivesInARowStayInStep) {
  const auto totals = OnRanks(group_, [&](Communicator& c) {
    double total = 0;
    for (int i = 0; i < 200; ++i) {
      at::Tensor data = at::full({1}, static_cast<float>(i + c.rank()));
      c.AllReduceSum(data);
      total += data.item<float>();
    }
    return total;
  });
  for (const double total : totals) EXPECT_EQ(total, totals[0]);
}

TEST_P(CommunicatorTest, AfterAbortEveryCallThrows) {
  for (const auto& communicator : group_) communicator->Abort(Unavailable("rank 1 is gone"));
  if (size() == 1) return;
  for (const auto& communicator : group_) {
    at::Tensor data = at::ones({1});
    EXPECT_THROW(communicator->AllReduceSum(data), CommunicatorError);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         CommunicatorTest,
                         testing::Combine(testing::Values(Kind{"Local", MakeLocalGroup},
                                                          Kind{"Gloo", [](int size) { return MakeGlooGroup(size); }}),
                                          testing::Values(1, 2, 3, 4)),
                         [](const auto& info) { return std::get<0>(info.param).name + std::to_string(std::get<1>(info.param)); });

TEST(LocalGroup, AbortWakesARankThatWaits) {
  const Group group = MakeLocalGroup(2);
  std::string said;
  std::thread waiting([&] {
    at::Tensor data = at::ones({1});
    try {
      group[0]->AllReduceSum(data);
    } catch (const CommunicatorError& error) {
      said = error.what();
    }
  });
  group[1]->Abort(Unavailable("rank 1 is gone"));
  waiting.join();
  EXPECT_THAT(said, testing::HasSubstr("rank 1 is gone"));
}

TEST(LocalGroup, TensorsOffTheCpuAreAnError) {
  const Group group = MakeLocalGroup(2);
  at::Tensor data = at::empty({1}, at::device(at::kMeta));
  EXPECT_THROW(group[0]->AllReduceSum(data), CommunicatorError);
}

TEST(SumInRankOrder, RoundsOnce) {
  const at::Tensor one = at::ones({1}, at::kBFloat16), small = at::full({1}, 1.0f / 512, at::kBFloat16);
  const at::Tensor sum = SumInRankOrder({one, small, small, small}).to(at::kBFloat16);
  EXPECT_EQ(sum.item<float>(), 1 + 1.0f / 128);  // each rounded on its own would be lost
}

TEST(GlooGroup, ADeadPeerEndsTheCollective) {
  Group group = MakeGlooGroup(2);
  ASSERT_NE(group[0], nullptr);
  group[1].reset();  // closes its connections, as a dead process does
  at::Tensor data = at::ones({1});
  EXPECT_THROW(group[0]->AllReduceSum(data), CommunicatorError);
}

TEST(GlooGroup, FirstCollectivesOfManyGroupsOfOneProcessMayCoincide) {
  for (int round = 0; round < 25; ++round) {
    const Group group = MakeGlooGroup(4);
    for (const auto& communicator : group) ASSERT_NE(communicator, nullptr);
    std::barrier together(4);
    OnRanks(group, [&](Communicator& c) {
      at::Tensor data = at::ones({1});
      together.arrive_and_wait();
      c.AllReduceSum(data);
      return data;
    });
  }
}

TEST(GlooGroup, AWriteToADeadPeerDoesNotEndTheProcess) {
  const Group group = MakeGlooGroup(1);
  ASSERT_NE(group[0], nullptr);
  EXPECT_EQ(raise(SIGPIPE), 0);
}

TEST(GlooGroup, RanksThatDoNotComeAreAnError) {
  LocalRendezvous rendezvous;
  const auto alone = ConnectGloo({.rank = 0, .size = 2, .timeout = std::chrono::milliseconds(200)}, &rendezvous);
  EXPECT_EQ(alone.status().code(), StatusCode::kUnavailable);
}

TEST(LocalRendezvous, GetWaitsForPut) {
  LocalRendezvous rendezvous;
  std::thread put([&] { EXPECT_TRUE(rendezvous.Put("key", "value").ok()); });
  EXPECT_EQ(*rendezvous.Get("key", std::chrono::steady_clock::now() + std::chrono::seconds(20)), "value");
  put.join();
  EXPECT_EQ(rendezvous.Get("other", std::chrono::steady_clock::now()).status().code(), StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace triptych::comm
