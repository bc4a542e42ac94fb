#include "sandbox/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

namespace {

bool is_zombie(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  file >> number >> name >> state;
  return state == "Z";
}

TEST(Process, IsKnownAgain) {
  const auto self = sandbox::identify_process(getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->pid, getpid());
  EXPECT_TRUE(sandbox::is_alive(*self));
}

TEST(Process, ALaterOneWithTheSameNumberIsAnother) {
  auto other = *sandbox::identify_process(getpid());
  --other.started;
  EXPECT_FALSE(sandbox::is_alive(other));
}

TEST(Process, AZombieHasEnded) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t ended{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  const auto zombie = sandbox::identify_process(child);
  ASSERT_TRUE(zombie);
  EXPECT_FALSE(sandbox::is_alive(*zombie));
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(sandbox::identify_process(child));
}

TEST(Process, LivesAsLongAsTheLastOfItsThreads) {
  int running[2];
  ASSERT_EQ(pipe(running), 0);
  const pid_t child = fork();
  if (child == 0) {
    const pid_t first = getpid();
    std::thread([&] {
      // Until it is killed; the first thread, which ends, is a zombie by then.
      while (!is_zombie(first)) {
      }
      static_cast<void>(write(running[1], "x", 1));
      pause();
    }).detach();
    syscall(SYS_exit, 0);  // of the thread
  }
  char byte = 0;
  ASSERT_EQ(read(running[0], &byte, 1), 1);
  const auto process = sandbox::identify_process(child);
  ASSERT_TRUE(process);
  EXPECT_TRUE(sandbox::is_alive(*process));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(sandbox::is_alive(*process));
}

TEST(Process, NobodyHasNumberZero) {
  EXPECT_FALSE(sandbox::identify_process(0)) << "SO_PEERCRED of another PID namespace";
  EXPECT_FALSE(sandbox::identify_process(-1));
}

}  // namespace
