#include "common/lifecycle/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/lifecycle/signals.h"

namespace triptych {
namespace {

// In the child, between fork and exec: nothing here allocates.
[[noreturn]] void Exec(pid_t parent, char* const* arguments) {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  if (!DieWithParent(parent).ok()) _exit(126);
  const int empty = open("/dev/null", O_RDONLY);
  if (empty >= 0) dup2(empty, STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

std::string Describe(int wait_status) {
  if (WIFSIGNALED(wait_status)) return fmt::format("killed by signal {} ({})", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
  return fmt::format("exit code {}", WEXITSTATUS(wait_status));
}

}  // namespace

StatusOr<ChildProcess> ChildProcess::Spawn(const std::vector<std::string>& arguments) {
  if (access(arguments.front().c_str(), X_OK) != 0) return NotFound("no executable file {}", arguments.front());
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ResourceExhausted("cannot fork: {}", strerror(errno));
  if (pid == 0) Exec(parent, pointers.data());
  const int pid_fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return ChildProcess(pid, pid_fd);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pid_fd_(std::exchange(other.pid_fd_, -1)), ended_(std::move(other.ended_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  Release();
  pid_ = std::exchange(other.pid_, -1);
  pid_fd_ = std::exchange(other.pid_fd_, -1);
  ended_ = std::move(other.ended_);
  return *this;
}

ChildProcess::~ChildProcess() { Release(); }

void ChildProcess::Release() {
  if (pid_ > 0 && !Poll()) {
    Signal(SIGKILL);
    WaitUntil(TimePoint::max());
  }
  if (pid_fd_ >= 0) close(pid_fd_);
  pid_ = pid_fd_ = -1;
}

std::optional<std::string> ChildProcess::Poll() {
  if (ended_ || pid_ <= 0) return ended_;
  int wait_status = 0;
  if (waitpid(pid_, &wait_status, WNOHANG) == pid_) ended_ = Describe(wait_status);
  return ended_;
}

std::optional<std::string> ChildProcess::WaitUntil(TimePoint deadline) {
  while (!Poll()) {
    int wait_ms = 1000;
    if (deadline != TimePoint::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return std::nullopt;
      wait_ms = static_cast<int>(std::min<int64_t>(left.count(), 1000));
    }
    pollfd fd{pid_fd_, POLLIN, 0};
    poll(&fd, 1, wait_ms);
  }
  return ended_;
}

void ChildProcess::Signal(int signal) {
  if (pid_ > 0 && !ended_) kill(pid_, signal);
}

}  // namespace triptych
