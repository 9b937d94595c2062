#include "worker/shard/rank_group.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "common/check.h"
#include "common/log/log.h"

namespace triptych::shard {

RankGroup::RankGroup(RankGroupOptions options, const RankParts& parts, const Clock* clock)
    : options_(options),
      clock_(clock),
      watchdog_(
          options.collective_stall,
          [this] { return LongestWait(); },
          [this](const Status& why) { Fail(why); }) {
  TRIPTYCH_CHECK(options.num_ranks > 0 && options.first_rank >= 0);
  TRIPTYCH_CHECK(options.first_rank + options.num_ranks <= options.world_size);
  RankObserver* const observer = this;
  for (int i = 0; i < options.num_ranks; ++i) {
    const at::Device device = options.device == at::kCPU
                                  ? at::Device(at::kCPU)
                                  : at::Device(options.device, static_cast<at::DeviceIndex>(i));
    ranks_.push_back(
        std::make_unique<RankThread>(options.first_rank + i, device, parts, clock, observer));
  }
}

RankGroup::~RankGroup() { Stop(); }

Status RankGroup::Start() {
  {
    const absl::MutexLock lock(&mutex_);
    TRIPTYCH_CHECK(state_ != State::kLoading && state_ != State::kReady);
    if (state_ == State::kFailed) return failure_;
    state_ = State::kLoading;
  }
  {
    const absl::MutexLock lock(&threads_mutex_);
    for (const auto& rank : ranks_) rank->Start();
  }
  if (!AwaitRanks()) Fail(Unavailable("the ranks did not come together in time"));
  TRIPTYCH_RETURN_IF_ERROR(failure());
  const absl::MutexLock lock(&threads_mutex_);
  watchdog_.Start();
  return OkStatus();
}

bool RankGroup::AwaitRanks() {
  const absl::MutexLock lock(&mutex_);
  const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return state_ == State::kFailed || num_ready_ == options_.num_ranks;
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&ended), absl::FromChrono(options_.start_limit))) {
    return false;
  }
  if (state_ == State::kLoading) state_ = State::kReady;
  return true;
}

engine::ShardGroup::State RankGroup::state() const {
  const absl::MutexLock lock(&mutex_);
  return state_;
}

Status RankGroup::failure() const {
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

size_t RankGroup::queued_plans() const {
  size_t most = 0;
  for (const auto& rank : ranks_) most = std::max(most, rank->queued_plans());
  return most;
}

void RankGroup::Submit(std::shared_ptr<const engine::StepPlan> plan) {
  if (state() == State::kFailed) return;  // Await() says why
  if (const Status status = CheckPlan(*plan, options_.bounds); !status.ok()) {
    Fail(WithContext(fmt::format("step {}", plan->step), status));
    return;
  }
  for (const auto& rank : ranks_) rank->Submit(plan);
}

StatusOr<engine::StepResult> RankGroup::Await() {
  const absl::MutexLock lock(&mutex_);
  const auto wakes = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !results_.empty() || state_ == State::kFailed;
  };
  mutex_.Await(absl::Condition(&wakes));
  if (results_.empty()) return Unavailable("the shard group has failed: {}", Message(failure_));
  engine::StepResult result = std::move(results_.front());
  results_.pop_front();
  return result;
}

void RankGroup::Stop() {
  Fail(Unavailable("stopped"));
  const absl::MutexLock lock(&threads_mutex_);
  watchdog_.Stop();
  for (const auto& rank : ranks_) rank->Join();
}

void RankGroup::Fail(const Status& why) {
  {
    const absl::MutexLock lock(&mutex_);
    if (state_ == State::kFailed) return;
    state_ = State::kFailed;
    failure_ = why;
  }
  spdlog::info("shard group of {} ranks ends: {}", options_.world_size, Message(why));
  for (const auto& rank : ranks_) rank->Abort(why);
}

void RankGroup::OnRankReady(int) {
  const absl::MutexLock lock(&mutex_);
  ++num_ready_;
}

void RankGroup::OnStepDone(int rank, engine::StepResult result) {
  if (rank != options_.first_rank) return;
  const absl::MutexLock lock(&mutex_);
  results_.push_back(std::move(result));
}

void RankGroup::OnRankFailed(int, const Status& why) { Fail(why); }

Duration RankGroup::LongestWait() const {
  Duration longest{};
  for (const auto& rank : ranks_) {
    const std::optional<TimePoint> since = rank->blocked_since();
    if (since) longest = std::max(longest, clock_->Now() - *since);
  }
  return longest;
}

}  // namespace triptych::shard
