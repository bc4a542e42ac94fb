// What is left when something is killed on the way: nothing, or a container that works.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>

#include "tests/oci/machine.h"

namespace oci {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class Crashes : public OciTest {
 protected:
  /// Begins a create that stops where `change` puts the pausing hook, and kills the runtime there.
  void kill_the_runtime_at(const std::string& change) {
    make_bundle("c1",
                {.annotations = {{"io.netd.publish", "8080:80"}}, .change_after_hooks = change});
    const auto creating = begin_create("c1");
    wait_for_pause();
    creating->signal(SIGKILL);
    creating->wait(seconds(20));
    end_pause();
  }
  /// And the same id can be used again.
  void expect_a_fresh_start() {
    EXPECT_TRUE(all_gone()) << sandboxes();
    shell("rm -rf /run/oci/c1 /run/bundles/c1");
    run("c1", {.annotations = {{"io.netd.publish", "8080:80"}}});
    EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"), HasSubstr("172."));
    remove("c1");
    EXPECT_TRUE(all_gone());
  }
};
INSTANTIATE_TEST_SUITE_P(Of, Crashes, ::testing::Values("runc", "crun"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Crashes, OfTheRuntimeBeforeTheHook) {
  kill_the_runtime_at(".hooks.createRuntime |= [{\"path\":\"/run/pausing-hook\"}] + .");
  expect_a_fresh_start();
}

TEST_P(Crashes, OfTheRuntimeAfterTheHook) {
  kill_the_runtime_at(pausing_hook("createRuntime"));
  expect_a_fresh_start();
}

TEST_P(Crashes, OfTheRuntimeInALaterHook) {
  make_bundle("c1", {.change_after_hooks = pausing_hook("poststart")});
  // runc 1.1 runs it at the end of `create`.
  const bool at_create = std::string(GetParam()) == "runc";
  if (!at_create) {
    ASSERT_EQ(create("c1").status, 0);
  }
  const auto running = at_create ? begin_create("c1") : begin_start("c1");
  wait_for_pause();
  running->signal(SIGKILL);
  end_pause();
  EXPECT_EQ(sandboxes(), "c1\n") << "the container runs";
  kill(pid_of("c1"), SIGKILL);
  expect_a_fresh_start();
}

TEST_P(Crashes, OfTheRuntimeWhileTheHookWaitsForNetd) {
  make_bundle("c1");
  netd().pause();
  const auto creating = begin_create("c1");
  shell("timeout 20 sh -c 'until pgrep -P " + std::to_string(creating->pid()) +
        " -f netd-hook >/dev/null; do sleep 0.05; done'");
  creating->signal(SIGKILL);
  creating->wait(seconds(20));
  netd().go_on();
  expect_a_fresh_start();
}

TEST_P(Crashes, OfAContainerThatNobodyDeletes) {
  shell("netctl network create --subnet 10.5.0.0/24 shop");
  run("c1",
      {.annotations = {{"io.netd.networks", "shop:ip=10.5.0.9"}, {"io.netd.publish", "8080:80"}}});
  kill(pid_of("c1"), SIGKILL);
  EXPECT_TRUE(all_gone()) << "poststop was never called";
  shell("netctl network rm shop");
  remove("c1");  // poststop, late: nothing to do
  expect_nothing_left();
}

TEST_P(Crashes, OfAContainerMakeRoomForTheNextAtOnce) {
  run("c1", {.annotations = {{"io.netd.publish", "8080:80"}}});
  for (int turn = 0; turn < 5; ++turn) {
    kill(pid_of("c1"), SIGKILL);
    shell("rm -rf /run/oci/c1");
    const e2e::Result created = create("c1");
    ASSERT_EQ(created.status, 0) << words_of(created);
  }
  EXPECT_EQ(sandboxes(), "c1\n");
}

TEST_P(Crashes, OfNetdBeforeTheHook) {
  make_bundle("c1");
  crash_netd();
  const auto creating = begin_create("c1");
  start_netd();
  EXPECT_EQ(creating->wait(seconds(20)), 0) << shell("cat /run/c1.log");
  start("c1");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"), HasSubstr("172."));
}

TEST_P(Crashes, OfNetdWhileTheHookWaitsForIt) {
  make_bundle("c1");
  netd().pause();
  const auto creating = begin_create("c1");
  shell("timeout 20 sh -c 'until pgrep -P " + std::to_string(creating->pid()) +
        " -f netd-hook >/dev/null; do sleep 0.05; done'");
  crash_netd();
  start_netd();
  EXPECT_EQ(creating->wait(seconds(20)), 0) << shell("cat /run/c1.log");
  start("c1");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"), HasSubstr("172."));
  expect_agreement();
}

TEST_P(Crashes, OfNetdBetweenCreateAndStart) {
  make_bundle("c1", {.annotations = {{"io.netd.networks", "bridge"}}});
  ASSERT_EQ(create("c1").status, 0);
  crash_netd();
  start_netd();
  start("c1");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"),
              HasSubstr(address_of("c1", "bridge") + "/"));
  remove("c1");
  EXPECT_TRUE(all_gone());
}

TEST_P(Crashes, OfNetdDoNotMakeItForgetWhoseSandboxesAreWhose) {
  run("c1");
  run("c2");
  crash_netd();
  start_netd();
  kill(pid_of("c1"), SIGKILL);
  EXPECT_TRUE(in_time([] { return sandboxes() == "c2\n"; }));
  EXPECT_THAT(inside("c2", "ip -o -4 address show eth0"), HasSubstr("172."));
}

TEST_P(Crashes, OfAContainerWhileNetdIsDown) {
  run("c1");
  const int process = pid_of("c1");
  crash_netd();
  kill(process, SIGKILL);
  const e2e::Result removed = attempt(runtime() + " delete --force c1");
  EXPECT_EQ(removed.status, 0) << removed.output;
  start_netd();
  EXPECT_TRUE(all_gone()) << sandboxes();
  expect_nothing_left();
}

TEST_P(Crashes, AHookThatFailsSaysWhyAndLeavesNothing) {
  make_bundle("c1", {.annotations = {{"io.netd.networks", "bridge;nowhere"}}});
  const e2e::Result created = create("c1");
  EXPECT_NE(created.status, 0);
  EXPECT_THAT(words_of(created),
              HasSubstr("netd-hook: createRuntime of container c1: network nowhere not found"));
  EXPECT_EQ(sandboxes(), "");
  shell("rm -r /run/bundles/c1");
  expect_a_fresh_start();
}

TEST_P(Crashes, OfAnotherHookAfterNetds) {
  make_bundle("c1", {.change_after_hooks = ".hooks.createRuntime += [{\"path\":\"/bin/false\"}]"});
  EXPECT_NE(create("c1").status, 0);
  expect_a_fresh_start();
}

}  // namespace
}  // namespace oci
