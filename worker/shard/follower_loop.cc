#include "worker/shard/follower_loop.h"

#include <memory>
#include <utility>

#include "worker/shard/step_codec.h"

namespace triptych::shard {
namespace {

// The leader has two steps in flight; a follower's last rank may be one behind its first.
constexpr size_t kMaxQueuedPlans = 8;

}  // namespace

FollowerLoop::FollowerLoop(RankGroupOptions options,
                           const RankParts& parts,
                           Events events,
                           const Clock* clock)
    : local_(options, parts, clock), events_(std::move(events)) {}

FollowerLoop::~FollowerLoop() { Stop(); }

Status FollowerLoop::Start() {
  TRIPTYCH_RETURN_IF_ERROR(local_.Start());
  thread_ = std::thread([this] { Run(); });
  return OkStatus();
}

void FollowerLoop::OnPlan(std::string_view bytes) {
  StatusOr<engine::StepPlan> plan = DecodePlan(bytes);
  if (!plan.ok()) return Fail(plan.status());
  if (plan->step < next_step_) {
    return Fail(Internal("step {} came again or too late, wanted {}", plan->step, next_step_));
  }
  if (local_.queued_plans() >= kMaxQueuedPlans) {
    return Fail(Internal("the leader sent more than {} steps ahead", kMaxQueuedPlans));
  }
  next_step_ = plan->step + 1;
  local_.Submit(std::make_shared<const engine::StepPlan>(*std::move(plan)));
}

void FollowerLoop::Fail(const Status& why) { local_.Fail(why); }

void FollowerLoop::Stop() {
  std::call_once(stopped_, [this] {
    local_.Stop();
    if (thread_.joinable()) thread_.join();
  });
}

void FollowerLoop::Run() {
  while (true) {
    const StatusOr<engine::StepResult> result = local_.Await();
    if (!result.ok()) return events_.on_failed(local_.failure());
    events_.on_step_done(result->step);
  }
}

}  // namespace triptych::shard
