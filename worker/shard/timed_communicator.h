#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "common/clock.h"
#include "worker/comm/communicator.h"

namespace triptych::shard {

// A communicator that knows since when its rank has been inside a collective, which is how a hung
// peer shows. Threads as Communicator; blocked_since() any.
class TimedCommunicator final : public comm::Communicator {
 public:
  TimedCommunicator(std::unique_ptr<comm::Communicator> communicator, const Clock* clock);

  // Empty while the rank computes or waits for work.
  std::optional<TimePoint> blocked_since() const;

  int rank() const override { return communicator_->rank(); }
  int size() const override { return communicator_->size(); }
  void AllReduceSum(at::Tensor& data) override;
  at::Tensor AllGather(const at::Tensor& part) override;
  void Broadcast(at::Tensor& data, int root) override;
  void Abort(const Status& why) override { communicator_->Abort(why); }

 private:
  class Visit;  // into a collective

  const std::unique_ptr<comm::Communicator> communicator_;
  const Clock* const clock_;
  std::atomic<Duration::rep> entered_;
};

}  // namespace triptych::shard
