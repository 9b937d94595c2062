#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"

namespace triptych {

// One child that dies with us: by SIGKILL from the kernel when the thread that spawned it ends, so spawn from a thread that lives as
// long as the process (the main one). stdin is empty; stdout goes to our stderr, since our own stdout carries answers.
// Owned by one thread.
class ChildProcess {
 public:
  static StatusOr<ChildProcess> Spawn(const std::vector<std::string>& arguments);  // arguments[0]: the binary's path
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // kills and reaps what still runs

  pid_t pid() const { return pid_; }
  // How it ended, or nothing while it runs.
  std::optional<std::string> Poll();
  std::optional<std::string> WaitUntil(TimePoint deadline);
  void Signal(int signal);

 private:
  ChildProcess(pid_t pid, int pid_fd) : pid_(pid), pid_fd_(pid_fd) {}
  void Release();

  pid_t pid_ = -1;
  int pid_fd_ = -1;
  std::optional<std::string> ended_;
};

}  // namespace triptych
