#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "common/lifecycle/child_process.h"
#include "common/lifecycle/signals.h"
#include "common/lifecycle/state.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triptych {
namespace {

using testing::HasSubstr;

TimePoint In(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

TEST(Lifecycle, OnlyLegalTransitions) {
  using enum LifecycleState;
  EXPECT_TRUE(MayFollow(kStarting, kLoading));
  EXPECT_TRUE(MayFollow(kLoading, kReady));
  EXPECT_TRUE(MayFollow(kSuspect, kReady));
  EXPECT_TRUE(MayFollow(kDraining, kGone));
  EXPECT_FALSE(MayFollow(kDraining, kReady));
  EXPECT_FALSE(MayFollow(kStarting, kReady));
  EXPECT_FALSE(MayFollow(kGone, kStarting));
}

TEST(Signals, ASignalAndAWakeBothEndTheWait) {
  SignalWaiter waiter;
  EXPECT_EQ(waiter.WaitUntil(In(std::chrono::milliseconds(1))), std::nullopt);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(waiter.Wait(), SIGTERM);
  std::thread other([&] { waiter.Wake(); });
  EXPECT_EQ(waiter.Wait(), 0);
  other.join();
}

TEST(ChildProcess, SaysHowItEnded) {
  auto child = ChildProcess::Spawn({"/bin/sh", "-c", "exit 3"});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->WaitUntil(In(std::chrono::seconds(10))), "exit code 3");
  EXPECT_EQ(child->Poll(), "exit code 3");
}

TEST(ChildProcess, ASignalEndsItAndIsNamed) {
  auto child = ChildProcess::Spawn({"/bin/sh", "-c", "exec sleep 1000"});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(child->Poll(), std::nullopt);
  child->Signal(SIGKILL);
  EXPECT_THAT(child->WaitUntil(In(std::chrono::seconds(10))).value_or(""), HasSubstr("signal 9"));
}

TEST(ChildProcess, LeavingScopeKillsIt) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::Spawn({"/bin/sh", "-c", "exec sleep 1000"});
    ASSERT_TRUE(child.ok());
    pid = child->pid();
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(ChildProcess, AMissingBinaryIsAnError) {
  EXPECT_THAT(std::string(Message(ChildProcess::Spawn({"/no/such/binary"}).status())), HasSubstr("/no/such/binary"));
}

TEST(ChildProcess, DiesWithItsParent) {
  // The middle process prints its child's pid and is then killed.
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t middle = fork();
  if (middle == 0) {
    auto child = ChildProcess::Spawn({"/bin/sh", "-c", "exec sleep 1000"});
    const pid_t pid = child.ok() ? child->pid() : 0;
    (void)!write(pipe_fds[1], &pid, sizeof(pid));
    pause();
  }
  pid_t grandchild = 0;
  ASSERT_EQ(read(pipe_fds[0], &grandchild, sizeof(grandchild)), static_cast<ssize_t>(sizeof(grandchild)));
  ASSERT_GT(grandchild, 0);
  kill(middle, SIGKILL);
  waitpid(middle, nullptr, 0);
  const TimePoint deadline = In(std::chrono::seconds(10));
  auto running = [&] {  // an orphan that nobody reaps stays as a zombie: that is dead, too
    std::string path = fmt::format("/proc/{}/stat", grandchild);
    FILE* file = fopen(path.c_str(), "r");
    if (file == nullptr) return false;
    char state = 0;
    const bool read_it = fscanf(file, "%*d %*s %c", &state) == 1;
    fclose(file);
    return read_it && state != 'Z';
  };
  while (running() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_FALSE(running());
}

}  // namespace
}  // namespace triptych
