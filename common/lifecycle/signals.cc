#include "common/lifecycle/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "common/check.h"

namespace triptych {

SignalWaiter::SignalWaiter() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  TRIPTYCH_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  event_fd_ = eventfd(0, EFD_CLOEXEC);
  TRIPTYCH_CHECK(signal_fd_ >= 0 && event_fd_ >= 0);
}

SignalWaiter::~SignalWaiter() {
  close(signal_fd_);
  close(event_fd_);
}

int SignalWaiter::Wait() {
  const std::optional<int> signal = WaitUntil(TimePoint::max());
  return signal.value_or(0);
}

std::optional<int> SignalWaiter::WaitUntil(TimePoint deadline) {
  pollfd fds[] = {{signal_fd_, POLLIN, 0}, {event_fd_, POLLIN, 0}};
  while (true) {
    int wait_ms = -1;
    if (deadline != TimePoint::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return std::nullopt;
      wait_ms = static_cast<int>(std::min<int64_t>(left.count(), 1000 * 1000));
    }
    if (poll(fds, 2, wait_ms) < 0 && errno != EINTR) return std::nullopt;
    if (fds[0].revents & POLLIN) {
      signalfd_siginfo info{};
      if (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) return static_cast<int>(info.ssi_signo);
    }
    if (fds[1].revents & POLLIN) {
      uint64_t count = 0;
      if (read(event_fd_, &count, sizeof(count)) == sizeof(count)) return 0;
    }
  }
}

void SignalWaiter::Wake() {
  const uint64_t one = 1;
  TRIPTYCH_CHECK(write(event_fd_, &one, sizeof(one)) == sizeof(one));
}

Status DieWithParent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Internal("prctl(PR_SET_PDEATHSIG) failed with errno {}", errno);
  if (getppid() != parent) return Unavailable("the parent process {} is gone", parent);
  return OkStatus();
}

}  // namespace triptych
