// Stopping a process of the test for a while.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <csignal>

namespace tests {

/// SIGSTOP to the test's own child, and waits until each of its threads has stopped (or it ended):
/// kill(2) returns before that, and a busy machine lets another thread go on for a while.
inline void pause_process(pid_t child) {
  kill(child, SIGSTOP);
  siginfo_t ignored{};
  waitid(P_PID, static_cast<id_t>(child), &ignored, WSTOPPED | WEXITED | WNOWAIT);
}

}  // namespace tests
