#include "worker/shard/collective_watchdog.h"

#include <chrono>
#include <utility>

#include "absl/time/time.h"

namespace triptych::shard {
namespace {

constexpr int kLooksPerLimit = 4;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

CollectiveWatchdog::CollectiveWatchdog(Duration limit,
                                       std::function<Duration()> longest_wait,
                                       std::function<void(const Status&)> on_stall)
    : limit_(limit), longest_wait_(std::move(longest_wait)), on_stall_(std::move(on_stall)) {}

CollectiveWatchdog::~CollectiveWatchdog() { Stop(); }

void CollectiveWatchdog::Start() {
  thread_ = std::thread([this] { Run(); });
}

void CollectiveWatchdog::Stop() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void CollectiveWatchdog::Run() {
  const absl::Duration interval = absl::FromChrono(limit_ / kLooksPerLimit);
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) return;
    }
    const Duration wait = longest_wait_();
    if (wait <= limit_) continue;
    on_stall_(
        Unavailable("a rank has waited {:.1f} s in a collective, more than the {:.1f} s allowed",
                    Seconds(wait),
                    Seconds(limit_)));
    return;
  }
}

}  // namespace triptych::shard
