#include "sandbox/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

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

TEST(Process, NobodyHasNumberZero) {
  EXPECT_FALSE(sandbox::identify_process(0)) << "SO_PEERCRED of another PID namespace";
  EXPECT_FALSE(sandbox::identify_process(-1));
}

}  // namespace
