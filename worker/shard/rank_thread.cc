#include "worker/shard/rank_thread.h"

#include <array>
#include <exception>
#include <new>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "common/log/log.h"
#include "worker/kernels/cpu_team.h"
#include "worker/shard/step_input.h"
#include "worker/shard/step_output.h"

namespace triptych::shard {
namespace {

// Runs `work` and turns whatever it throws into a Status.
template <typename Work>
Status Guard(const Work& work) {
  try {
    return work();
  } catch (const comm::CommunicatorError& error) {
    return Unavailable("a collective failed: {}", error.what());
  } catch (const c10::Error& error) {
    return Internal("libtorch: {}", error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory");
  } catch (const std::exception& error) {
    return Internal("{}", error.what());
  }
}

// All ranks meet here when they have loaded, and see that they serve the same thing. Sixteen bits
// at a time, which float32 holds exactly.
Status MeetOthers(uint64_t fingerprint, at::Device device, comm::Communicator& communicator) {
  constexpr int kPieces = 4;
  at::Tensor mine = at::empty({1, kPieces}, at::kFloat);
  for (int i = 0; i < kPieces; ++i) {
    mine.mutable_data_ptr<float>()[i] = static_cast<float>(fingerprint >> (16 * i) & 0xffff);
  }
  const at::Tensor all = communicator.AllGather(mine.to(device)).to(at::kCPU).contiguous();
  for (int i = 0; i < kPieces * communicator.size(); ++i) {
    if (all.const_data_ptr<float>()[i] == mine.const_data_ptr<float>()[i % kPieces]) continue;
    return FailedPrecondition("ranks {} and {} were given different weights or settings",
                              communicator.rank(),
                              i / kPieces);
  }
  return OkStatus();
}

}  // namespace

RankThread::RankThread(
    int rank, at::Device device, RankParts parts, const Clock* clock, RankObserver* observer)
    : rank_(rank), device_(device), parts_(std::move(parts)), clock_(clock), observer_(observer) {}

RankThread::~RankThread() {
  Abort(Unavailable("the rank is destroyed"));
  Join();
}

void RankThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void RankThread::Submit(std::shared_ptr<const engine::StepPlan> plan) {
  const absl::MutexLock lock(&mutex_);
  plans_.push_back(std::move(plan));
}

void RankThread::Abort(const Status& why) {
  TimedCommunicator* communicator = nullptr;
  {
    const absl::MutexLock lock(&mutex_);
    if (!aborted_.ok()) return;
    aborted_ = why;
    communicator = communicator_.get();  // stays until the rank is destroyed
  }
  if (communicator != nullptr) communicator->Abort(why);
}

void RankThread::Join() {
  if (thread_.joinable()) thread_.join();
}

std::optional<TimePoint> RankThread::blocked_since() const {
  const absl::MutexLock lock(&mutex_);
  return communicator_ == nullptr ? std::nullopt : communicator_->blocked_since();
}

size_t RankThread::queued_plans() const {
  const absl::MutexLock lock(&mutex_);
  return plans_.size();
}

void RankThread::Run() {
  const Status status = Guard([this] { return Work(); });
  if (!status.ok()) {
    observer_->OnRankFailed(rank_, WithContext(fmt::format("rank {}", rank_), status));
  }
}

Status RankThread::Work() {
  at::set_num_threads(
      1);  // kernels have the team; libtorch's own threads would only compete with it
  kernels::CpuTeam team(parts_.num_threads);
  const kernels::CpuTeam::Scope scope(&team);
  const c10::InferenceMode inference;
  std::optional<c10::DeviceGuard> device;
  if (!device_.is_cpu()) device.emplace(device_);

  TRIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<model::ModelRunner> runner, SetUp());
  observer_->OnRankReady(rank_);
  while (const std::shared_ptr<const engine::StepPlan> plan = NextPlan()) {
    observer_->OnStepDone(rank_, Step(*plan, *runner));
  }
  return OkStatus();
}

StatusOr<std::unique_ptr<model::ModelRunner>> RankThread::SetUp() {
  const TimePoint begin = clock_->Now();
  TRIPTYCH_ASSIGN_OR_RETURN(TimedCommunicator * communicator, MakeCommunicator());
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<model::ModelRunner> runner,
                            parts_.make_runner(*communicator, device_));
  spdlog::info("rank {} of {} has loaded in {:.1f} s",
               rank_,
               communicator->size(),
               std::chrono::duration<double>(clock_->Now() - begin).count());
  TRIPTYCH_RETURN_IF_ERROR(MeetOthers(parts_.fingerprint, device_, *communicator));
  return runner;
}

StatusOr<TimedCommunicator*> RankThread::MakeCommunicator() {
  TRIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<comm::Communicator> made,
                            parts_.make_communicator(rank_));
  auto timed = std::make_unique<TimedCommunicator>(std::move(made), clock_);
  TimedCommunicator* communicator = timed.get();
  const absl::MutexLock lock(&mutex_);
  communicator_ = std::move(timed);
  // An Abort() that came before could not reach it: the others of its group would wait for this
  // rank.
  if (!aborted_.ok()) return aborted_;
  return communicator;
}

std::shared_ptr<const engine::StepPlan> RankThread::NextPlan() {
  const absl::MutexLock lock(&mutex_);
  const auto wakes = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !aborted_.ok() || !plans_.empty();
  };
  mutex_.Await(absl::Condition(&wakes));
  if (!aborted_.ok()) return nullptr;
  std::shared_ptr<const engine::StepPlan> plan = std::move(plans_.front());
  plans_.pop_front();
  return plan;
}

engine::StepResult RankThread::Step(const engine::StepPlan& plan, model::ModelRunner& runner) {
  if (rank_ != 0) {
    runner.Forward({.plan = &plan});
    return {.step = plan.step};
  }
  const PreparedStep prepared = PrepareStep(plan, parts_.embeddings, parts_.hidden_size);
  const at::Tensor logits = runner.Forward(prepared.input);
  return MakeStepResult(plan, logits.to(at::kCPU), prepared.errors);
}

}  // namespace triptych::shard
