#include "worker/kernels/cpu_team.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "common/check.h"

namespace triptych::kernels {
namespace {

thread_local CpuTeam* bound_team = nullptr;

}  // namespace

struct CpuTeam::Impl {
  using Body = std::function<void(int64_t, int64_t)>;

  void Run() {
    std::unique_lock lock(mutex);
    uint64_t seen = 0;
    while (true) {
      begin.wait(lock, [&] { return stopping || job != seen; });
      if (stopping) return;
      seen = job;
      lock.unlock();
      TakePieces();
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }

  void TakePieces() {
    for (int64_t at = next.fetch_add(piece); at < n; at = next.fetch_add(piece)) (*body)(at, std::min(at + piece, n));
  }

  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable begin, done;
  uint64_t job = 0;        // guarded by mutex, as busy and stopping
  int busy = 0;
  bool stopping = false;
  const Body* body = nullptr;  // written before the job begins, read by all
  int64_t n = 0, piece = 1;
  std::atomic<int64_t> next{0};
};

CpuTeam::CpuTeam(int num_threads) : impl_(std::make_unique<Impl>()) {
  TRIPTYCH_CHECK(num_threads >= 1);
  for (int i = 1; i < num_threads; ++i) impl_->threads.emplace_back([impl = impl_.get()] { impl->Run(); });
}

CpuTeam::~CpuTeam() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->begin.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

int CpuTeam::size() const { return static_cast<int>(impl_->threads.size()) + 1; }

void CpuTeam::ParallelFor(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (n <= 0) return;
  if (impl_->threads.empty() || n <= grain) return body(0, n);
  {
    std::lock_guard lock(impl_->mutex);
    impl_->body = &body;
    impl_->n = n;
    impl_->piece = std::max(grain, (n + 4 * size() - 1) / (4 * size()));
    impl_->next = 0;
    impl_->busy = static_cast<int>(impl_->threads.size());
    ++impl_->job;
  }
  impl_->begin.notify_all();
  impl_->TakePieces();
  std::unique_lock lock(impl_->mutex);
  impl_->done.wait(lock, [&] { return impl_->busy == 0; });
}

CpuTeam::Scope::Scope(CpuTeam* team) : previous_(std::exchange(bound_team, team)) {}
CpuTeam::Scope::~Scope() { bound_team = previous_; }

void ParallelFor(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (bound_team != nullptr) return bound_team->ParallelFor(n, grain, body);
  if (n > 0) body(0, n);
}

}  // namespace triptych::kernels
