#include "tests/support/netns_process.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

namespace tests {

pid_t start_process_in_new_netns() {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool done = unshare(CLONE_NEWNET) == 0 && write(ready[1], "x", 1) == 1;
    while (done)
      pause();
    _exit(1);
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  return child;
}

}  // namespace tests
