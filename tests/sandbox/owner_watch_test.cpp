#include "sandbox/owner_watch.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/netns.h"
#include "tests/support/namespace_test.h"
#include "tests/support/netns_process.h"

namespace {

using sandbox::OwnerWatch;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OwnerWatchTest : public tests::NamespaceTest {
 protected:
  /// As start_process_in_new_netns(), but only its second thread is left.
  static pid_t start_process_of_threads() {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      const std::string first = "/proc/" + std::to_string(getpid()) + "/ns/net";
      if (unshare(CLONE_NEWNET) != 0) _exit(1);
      std::thread([&] {
        while (access(first.c_str(), F_OK) == 0) {  // a thread that has ended is in none
        }
        static_cast<void>(write(ready[1], "x", 1));
        pause();
      }).detach();
      syscall(SYS_exit, 0);
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
  }
  static void kill_process(pid_t process) {
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
  /// The keys that are told next, within ten seconds.
  static std::vector<std::string> next(OwnerWatch& watch) {
    for (int turn = 0; turn < 100; ++turn) {
      pollfd ready{watch.fd(), POLLIN, 0};
      if (poll(&ready, 1, 10'000) <= 0) break;
      if (auto keys = watch.ended(); !keys.empty()) return keys;
    }
    return {"nothing came"};
  }
};

TEST_F(OwnerWatchTest, TellsThatAProcessHasEnded) {
  OwnerWatch watch;
  const pid_t process = tests::start_process_in_new_netns();
  watch.watch("web", *sandbox::identify_process(process));
  EXPECT_THAT(watch.ended(), IsEmpty());
  kill_process(process);
  EXPECT_THAT(next(watch), ElementsAre("web"));
  EXPECT_THAT(watch.ended(), IsEmpty());
}

TEST_F(OwnerWatchTest, TellsOfOneThatHadEndedBefore) {
  OwnerWatch watch;
  const pid_t process = tests::start_process_in_new_netns();
  const auto identity = *sandbox::identify_process(process);
  kill_process(process);
  watch.watch("web", identity);
  EXPECT_THAT(next(watch), ElementsAre("web"));
}

TEST_F(OwnerWatchTest, IsNotTakenInByALaterProcessWithTheSameNumber) {
  OwnerWatch watch;
  const pid_t process = tests::start_process_in_new_netns();
  auto earlier = *sandbox::identify_process(process);
  --earlier.started;
  watch.watch("web", earlier);
  EXPECT_THAT(next(watch), ElementsAre("web"));
  kill_process(process);
}

TEST_F(OwnerWatchTest, AProcessLivesAsLongAsTheLastOfItsThreads) {
  OwnerWatch watch;
  const pid_t process = start_process_of_threads();
  watch.watch("web", *sandbox::identify_process(process));
  pollfd ready{watch.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 0);
  kill_process(process);
  EXPECT_THAT(next(watch), ElementsAre("web"));
}

TEST_F(OwnerWatchTest, TellsThatAPathIsGone) {
  sandbox::pin_new("/run/mine");
  sandbox::pin_existing("/run/mine", "/run/pin");
  OwnerWatch watch;
  watch.watch("web", "/run/mine", "/run/pin");
  sandbox::unpin("/run/mine");
  EXPECT_THAT(next(watch), ElementsAre("web"));
  sandbox::unpin("/run/pin");
}

TEST_F(OwnerWatchTest, TellsThatAPathWasDeletedInAnotherMountNamespace) {
  shell("mkdir /run/netns; touch /run/netns/mine");
  sandbox::pin_new("/run/pin");
  shell("mount --bind /run/pin /run/netns/mine");
  OwnerWatch watch;
  watch.watch("web", "/run/netns/mine", "/run/pin");
  shell("unshare --mount sh -c 'umount /run/netns/mine; rm /run/netns/mine'");
  EXPECT_THAT(next(watch), ElementsAre("web"));
  sandbox::unpin("/run/pin");
}

TEST_F(OwnerWatchTest, TellsThatAPathWasOnlyUnmounted) {
  sandbox::pin_new("/run/mine");
  sandbox::pin_existing("/run/mine", "/run/pin");
  OwnerWatch watch;
  watch.watch("web", "/run/mine", "/run/pin");
  shell("umount /run/mine");
  EXPECT_THAT(next(watch), ElementsAre("web"));
  sandbox::unpin("/run/pin");
}

TEST_F(OwnerWatchTest, LooksAtPathsHoweverOftenOthersCome) {
  sandbox::pin_new("/run/mine");
  sandbox::pin_existing("/run/mine", "/run/pin");
  sandbox::pin_existing("/run/mine", "/run/other");
  OwnerWatch watch;
  watch.watch("web", "/run/mine", "/run/pin");
  shell("umount /run/mine");
  std::vector<std::string> ended;
  for (int second = 0; second < 8 && ended.empty(); ++second) {
    pollfd ready{watch.fd(), POLLIN, 0};
    if (poll(&ready, 1, 1000) == 1) ended = watch.ended();
    watch.watch("other", "/run/other", "/run/pin");
  }
  EXPECT_THAT(ended, ElementsAre("web"));
  sandbox::unpin("/run/other");
  sandbox::unpin("/run/pin");
}

TEST_F(OwnerWatchTest, WhatIsDeletedBesideAPathIsNoNews) {
  sandbox::pin_new("/run/mine");
  sandbox::pin_existing("/run/mine", "/run/pin");
  OwnerWatch watch;
  watch.watch("web", "/run/mine", "/run/pin");
  shell("touch /run/other && rm /run/other");
  pollfd ready{watch.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&ready, 1, 10'000), 1);
  EXPECT_THAT(watch.ended(), IsEmpty());
  sandbox::unpin("/run/mine");
  EXPECT_THAT(next(watch), ElementsAre("web"));
  sandbox::unpin("/run/pin");
}

TEST_F(OwnerWatchTest, RemindsALittleLater) {
  OwnerWatch watch;
  watch.remind("web");
  EXPECT_THAT(watch.ended(), IsEmpty());
  EXPECT_THAT(next(watch), ElementsAre("web"));
}

TEST_F(OwnerWatchTest, ForgetsWhatNobodyWantsToKnow) {
  OwnerWatch watch;
  const pid_t process = tests::start_process_in_new_netns();
  watch.watch("web", *sandbox::identify_process(process));
  watch.watch("db", *sandbox::identify_process(process));
  watch.forget("web");
  kill_process(process);
  EXPECT_THAT(next(watch), ElementsAre("db"));
}

TEST_F(OwnerWatchTest, FindsWhoLivesInANamespace) {
  const pid_t process = tests::start_process_in_new_netns();
  const std::string path = "/proc/" + std::to_string(process) + "/ns/net";
  sandbox::pin_existing(path, "/run/pin");
  const auto found = sandbox::Residents().find("/run/pin");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, process);
  const sandbox::Residents before;
  kill_process(process);
  EXPECT_FALSE(before.find("/run/pin")) << "it lived there";
  EXPECT_FALSE(sandbox::Residents().find("/run/pin"));
  sandbox::unpin("/run/pin");
}

TEST_F(OwnerWatchTest, FindsWhoLivesInANamespaceWithoutItsFirstThread) {
  const pid_t process = start_process_of_threads();
  const std::string tasks = "/proc/" + std::to_string(process) + "/task/";
  const std::string thread = shell("ls " + tasks + " | sort -n | tail -n 1");
  sandbox::pin_existing(tasks + thread.substr(0, thread.find('\n')) + "/ns/net", "/run/pin");
  const auto found = sandbox::Residents().find("/run/pin");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid, process);
  kill_process(process);
  sandbox::unpin("/run/pin");
}

}  // namespace
