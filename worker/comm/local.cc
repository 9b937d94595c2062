#include "worker/comm/local.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>

#include <condition_variable>
#include <mutex>

#include "common/check.h"
#include "worker/comm/rank_order_sum.h"

namespace triptych::comm {
namespace {

// What the ranks share: a barrier that can be broken, and what each rank brings to the collective under way.
class Meeting {
 public:
  explicit Meeting(int size) : brought_(size) {}

  int size() const { return static_cast<int>(brought_.size()); }

  // Shows `mine` to all and gives what all brought; nobody's tensor changes before everybody called Leave.
  const std::vector<at::Tensor>& Bring(int rank, const at::Tensor& mine) {
    if (!mine.is_cpu()) throw CommunicatorError("rank threads share the CPU's memory only; between CUDA devices NCCL is needed");
    brought_[rank] = mine;
    Barrier();
    return brought_;
  }
  void Leave() { Barrier(); }

  void Break(const Status& why) {
    {
      std::lock_guard lock(mutex_);
      if (broken_.ok()) broken_ = why.ok() ? Cancelled("the group was stopped") : why;
    }
    changed_.notify_all();
  }

 private:
  void Barrier() {
    std::unique_lock lock(mutex_);
    ThrowIfBroken();
    const uint64_t round = round_;
    if (++arrived_ == size()) {
      arrived_ = 0;
      ++round_;
      lock.unlock();
      changed_.notify_all();
      return;
    }
    changed_.wait(lock, [&] { return round_ != round || !broken_.ok(); });
    if (round_ == round) ThrowIfBroken();
  }
  void ThrowIfBroken() const {
    if (!broken_.ok()) throw CommunicatorError(std::string(Message(broken_)));
  }

  std::vector<at::Tensor> brought_;  // each slot written by its rank before the barrier, read by all after it
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t round_ = 0;  // guarded by mutex_, as all below
  int arrived_ = 0;
  Status broken_ = OkStatus();
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<Meeting> meeting, int rank) : meeting_(std::move(meeting)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return meeting_->size(); }

  void AllReduceSum(at::Tensor& data) override {
    if (size() == 1) return;
    at::Tensor sum = SumInRankOrder(meeting_->Bring(rank_, data));
    meeting_->Leave();
    data.copy_(sum);
  }

  at::Tensor AllGather(const at::Tensor& part) override {
    if (size() == 1) return part;
    at::Tensor all = at::cat(meeting_->Bring(rank_, part), -1);
    meeting_->Leave();
    return all;
  }

  void Broadcast(at::Tensor& data, int root) override {
    if (size() == 1) return;
    const at::Tensor& from = meeting_->Bring(rank_, data)[root];
    if (rank_ != root) data.copy_(from);
    meeting_->Leave();
  }

  void Abort(const Status& why) override { meeting_->Break(why); }

 private:
  const std::shared_ptr<Meeting> meeting_;
  const int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> MakeLocalGroup(int size) {
  TRIPTYCH_CHECK(size >= 1);
  auto meeting = std::make_shared<Meeting>(size);
  std::vector<std::unique_ptr<Communicator>> group;
  for (int rank = 0; rank < size; ++rank) group.push_back(std::make_unique<LocalCommunicator>(meeting, rank));
  return group;
}

}  // namespace triptych::comm
