// The communicator between CUDA devices: groups of as many ranks as the machine has devices, up to four, each rank a thread.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <c10/core/DeviceGuard.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/comm/local_rendezvous.h"
#include "worker/comm/nccl.h"
#include "worker/comm/rank_order_sum.h"
#include "worker/kernels/cuda_devices.h"

namespace triptych::comm {
namespace {

class NcclTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (kernels::NumCudaDevices() < size()) GTEST_SKIP() << "fewer than " << size() << " CUDA devices";
    group_.resize(size());
    LocalRendezvous rendezvous;
    OnRanks([&](int rank) {
      auto made = ConnectNccl({.rank = rank, .size = size()}, &rendezvous);
      EXPECT_TRUE(made.ok()) << made.status();
      if (made.ok()) group_[rank] = *std::move(made);
      return at::Tensor();
    });
    for (const auto& communicator : group_) ASSERT_NE(communicator, nullptr);
  }
  int size() const { return GetParam(); }

  // Runs body(rank) on a thread and a device for each rank and gives what the ranks gave, on the CPU.
  template <typename Body>
  std::vector<at::Tensor> OnRanks(Body body) {
    std::vector<at::Tensor> results(size());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size(); ++rank) {
      threads.emplace_back([&, rank] {
        const c10::DeviceGuard device(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(rank)));
        const at::Tensor result = body(rank);
        results[rank] = result.defined() ? result.to(at::kCPU) : result;
      });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }

  std::vector<std::unique_ptr<Communicator>> group_;
};

at::Tensor OnDevice(const at::Tensor& tensor, int rank) { return tensor.to(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(rank))); }

TEST_P(NcclTest, SumsInRankOrderOnEveryRank) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t rows : {1, 3, 300}) {
      const auto part = [&](int rank) { return (at::full({rows, 5}, 1.0f / (rank + 3)) * at::ones({rows, 5})).to(dtype); };
      std::vector<at::Tensor> parts;
      for (int rank = 0; rank < size(); ++rank) parts.push_back(part(rank));
      const at::Tensor wanted = SumInRankOrder(parts).to(dtype);
      for (const at::Tensor& sum : OnRanks([&](int rank) {
             at::Tensor data = OnDevice(part(rank), rank);
             group_[rank]->AllReduceSum(data);
             return data;
           })) {
        EXPECT_TRUE(at::equal(sum, wanted)) << rows;
      }
    }
  }
}

TEST_P(NcclTest, GathersColumnsInRankOrderAndTakesNoRows) {
  for (const int64_t rows : {0, 2}) {
    std::vector<at::Tensor> parts;
    for (int rank = 0; rank < size(); ++rank) parts.push_back(at::full({rows, 3}, rank, at::kFloat));
    for (const at::Tensor& all : OnRanks([&](int rank) { return group_[rank]->AllGather(OnDevice(parts[rank], rank)); })) {
      EXPECT_TRUE(at::equal(all, at::cat(parts, 1)));
    }
  }
}

TEST_P(NcclTest, BroadcastsFromAnyRoot) {
  for (int root = 0; root < size(); ++root) {
    for (const at::Tensor& got : OnRanks([&](int rank) {
           at::Tensor data = OnDevice(at::full({4}, rank + 10.0f), rank);
           group_[rank]->Broadcast(data, root);
           return data;
         })) {
      EXPECT_TRUE(at::equal(got, at::full({4}, root + 10.0f)));
    }
  }
}

TEST_P(NcclTest, ManyCollectivesInARowStayInStep) {
  const std::vector<at::Tensor> totals = OnRanks([&](int rank) {
    at::Tensor total = OnDevice(at::full({1}, 0.0f), rank);
    for (int i = 0; i < 200; ++i) {
      at::Tensor data = OnDevice(at::full({1}, static_cast<float>(i + rank)), rank);
      group_[rank]->AllReduceSum(data);
      total.add_(data);
    }
    return total;
  });
  for (const at::Tensor& total : totals) EXPECT_TRUE(at::equal(total, totals[0]));
}

TEST_P(NcclTest, AfterAbortEveryCallThrowsAndSaysWhy) {
  for (const auto& communicator : group_) communicator->Abort(Unavailable("rank 1 is gone"));
  OnRanks([&](int rank) {
    at::Tensor data = OnDevice(at::ones({1}), rank);
    try {
      group_[rank]->AllReduceSum(data);
      ADD_FAILURE() << "did not throw";
    } catch (const CommunicatorError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("rank 1 is gone"));
    }
    return at::Tensor();
  });
}

TEST_P(NcclTest, AbortWakesARankThatWaitsForOthers) {
  if (size() == 1) GTEST_SKIP() << "nobody to wait for";
  std::thread abort;
  OnRanks([&](int rank) {
    if (rank != 0) return at::Tensor();  // never comes
    abort = std::thread([&] { group_[0]->Abort(Unavailable("rank 1 hangs")); });
    EXPECT_THROW(group_[0]->AllGather(OnDevice(at::ones({1, 1}), 0)), CommunicatorError);
    return at::Tensor();
  });
  abort.join();
}

INSTANTIATE_TEST_SUITE_P(Sizes, NcclTest, testing::Values(1, 2, 4), [](const auto& info) { return "Size" + std::to_string(info.param); });

TEST(Nccl, WithoutADeviceIsAnError) {
  if (kernels::NumCudaDevices() > 0) GTEST_SKIP() << "there is a device";
  LocalRendezvous rendezvous;
  EXPECT_FALSE(ConnectNccl({.rank = 0, .size = 1, .timeout = std::chrono::seconds(5)}, &rendezvous).ok());
}

}  // namespace
}  // namespace triptych::comm
