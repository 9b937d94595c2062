#include "worker/engine/engine_loop.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "common/check.h"
#include "common/status_reason.h"
#include "worker/engine/scheduler.h"

namespace triptych::engine {
namespace {

Status Stopped() { return WithReason(Unavailable("the engine has stopped"), "ENGINE_STOPPED"); }

}  // namespace

// Notices wait in the mailbox until the engine thread is between two steps.
struct EngineLoop::Impl {
  using Notice = std::function<void(Scheduler&)>;

  Impl(EngineOptions options, ShardGroup* group, const Clock* clock, PrefixCacheObserver* observer, EngineStats* stats)
      : options(options), group(group), clock(clock), stats(stats), scheduler(options, stats, observer) {}

  void Run() {
    while (TakeNotices()) {
      auto plan = std::make_shared<StepPlan>(scheduler.PlanStep(clock->Now()));
      if (plan->sequences.empty()) {
        Sleep();
        continue;
      }
      group->Submit(plan);
      const StatusOr<StepResult> result = group->Await();
      if (!result.ok()) return Fail(result.status());
      scheduler.Commit(*plan, *result, clock->Now());
    }
    scheduler.FailAll(Stopped());
  }

  // False when the loop is to end: what had come until then has been noted.
  bool TakeNotices() {
    std::deque<Notice> taken;
    bool go_on = false;
    {
      std::lock_guard lock(mutex);
      go_on = !stopping;
      taken.swap(mailbox);
    }
    for (const Notice& notice : taken) notice(scheduler);
    return go_on;
  }

  // Only a notice can change that nothing can run.
  void Sleep() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return stopping || !mailbox.empty(); });
  }

  void Fail(const Status& why) {
    std::deque<Notice> taken;
    {
      std::lock_guard lock(mutex);
      failure = why;
      taken.swap(mailbox);
    }
    for (const Notice& notice : taken) notice(scheduler);
    scheduler.FailAll(Unavailable("the shard group failed: {}", Message(why)));
  }

  // False once the loop is over.
  bool Post(Notice notice) {
    {
      std::lock_guard lock(mutex);
      if (stopping || !failure.ok()) return false;
      mailbox.push_back(std::move(notice));
    }
    changed.notify_one();
    return true;
  }

  const EngineOptions options;
  ShardGroup* const group;
  const Clock* const clock;
  EngineStats* const stats;
  Scheduler scheduler;  // engine thread only, once it runs
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Notice> mailbox;  // guarded by mutex, as all below; bounded by max_waiting and by what live requests send
  bool stopping = false;
  Status failure = OkStatus();
};

EngineLoop::EngineLoop(EngineOptions options, ShardGroup* group, const Clock* clock, PrefixCacheObserver* observer)
    : impl_(std::make_unique<Impl>(options, group, clock, observer, &stats_)) {}

EngineLoop::~EngineLoop() { Stop(); }

Status EngineLoop::Start() {
  TRIPTYCH_CHECK(!impl_->thread.joinable());
  if (impl_->group->state() != ShardGroup::State::kReady) return FailedPrecondition("the shard group is not ready");
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
  return OkStatus();
}

void EngineLoop::Stop() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Status EngineLoop::Submit(std::unique_ptr<Request> request, std::shared_ptr<RequestSink> sink) {
  TRIPTYCH_RETURN_IF_ERROR(Scheduler::CheckFits(*request, impl_->options));
  const int64_t live = static_cast<int64_t>(stats_.accepted - stats_.completed - stats_.failed - stats_.cancelled);
  if (live >= impl_->options.max_waiting + impl_->options.max_sequences) {
    return ResourceExhausted("{} requests are waiting or running, at most {}", live,
                             impl_->options.max_waiting + impl_->options.max_sequences);
  }
  // A std::function wants copies, hence the shared pointer to what is moved on.
  auto moved = std::make_shared<std::unique_ptr<Request>>(std::move(request));
  ++stats_.accepted;
  const bool posted = impl_->Post([clock = impl_->clock, moved, sink](Scheduler& scheduler) {
    scheduler.Admit(std::move(*moved), sink, clock->Now());
  });
  if (posted) return OkStatus();
  --stats_.accepted;
  return Stopped();
}

void EngineLoop::Cancel(RequestId id) {
  impl_->Post([id, called = stats_.steps.load(), stats = &stats_](Scheduler& scheduler) {
    stats->cancel_steps += stats->steps - called;
    scheduler.Cancel(id);
  });
}

void EngineLoop::StopSequence(RequestId id, int32_t sequence) {
  impl_->Post([clock = impl_->clock, id, sequence](Scheduler& scheduler) { scheduler.StopSequence(id, sequence, clock->Now()); });
}

void EngineLoop::OnEmbeddingRows(const EmbeddingKey& key, int32_t rows) {
  impl_->Post([key, rows](Scheduler& scheduler) { scheduler.SetEmbeddingRows(key, rows); });
}

void EngineLoop::FailRequest(RequestId id, Status why) {
  impl_->Post([id, why = std::move(why)](Scheduler& scheduler) { scheduler.FailRequest(id, why); });
}

Status EngineLoop::health() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

}  // namespace triptych::engine
