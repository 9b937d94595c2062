#include "worker/shard/timed_communicator.h"

#include <limits>
#include <utility>

namespace triptych::shard {
namespace {

constexpr Duration::rep kOutside = std::numeric_limits<Duration::rep>::min();

}  // namespace

class TimedCommunicator::Visit {
 public:
  explicit Visit(TimedCommunicator* owner) : owner_(owner) {
    owner_->entered_.store(owner_->clock_->Now().time_since_epoch().count());
  }
  ~Visit() { owner_->entered_.store(kOutside); }

 private:
  TimedCommunicator* owner_;
};

TimedCommunicator::TimedCommunicator(std::unique_ptr<comm::Communicator> communicator,
                                     const Clock* clock)
    : communicator_(std::move(communicator)), clock_(clock), entered_(kOutside) {}

std::optional<TimePoint> TimedCommunicator::blocked_since() const {
  const Duration::rep entered = entered_.load();
  if (entered == kOutside) return std::nullopt;
  return TimePoint(Duration(entered));
}

void TimedCommunicator::AllReduceSum(at::Tensor& data) {
  const Visit visit(this);
  communicator_->AllReduceSum(data);
}

at::Tensor TimedCommunicator::AllGather(const at::Tensor& part) {
  const Visit visit(this);
  return communicator_->AllGather(part);
}

void TimedCommunicator::Broadcast(at::Tensor& data, int root) {
  const Visit visit(this);
  communicator_->Broadcast(data, root);
}

}  // namespace triptych::shard
