// netd-hook itself: said twice, at the wrong time, to a netd that is not there.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <fstream>

#include "sandbox/fd.h"
#include "tests/oci/machine.h"

namespace oci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Where the hook itself has to make the files' places.
constexpr const char* without_mounts =
    ".mounts |= map(select(.source | tostring | startswith(\"/run/bundles\") | not))";

class HookTest : public OciTest {
 protected:
  /// In a network namespace of its own; its number.
  static std::string start_process() {
    return shell("unshare --net sh -c 'sleep 60 >/dev/null 2>&1 & echo -n $!'");
  }
};
INSTANTIATE_TEST_SUITE_P(Of, HookTest, ::testing::Values("runc"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(HookTest, MayBeCalledTwice) {
  run("c1", {.annotations = {{"io.netd.publish", "8080:80"}}});
  const std::string address = address_of("c1", "bridge");
  const std::string mounts = inside("c1", "cat /proc/self/mountinfo | grep /etc/");
  for (const std::string verb : {"createRuntime", "prestart"}) {
    const e2e::Result again = hook(verb, state_of("c1"));
    EXPECT_EQ(again.status, 0) << again.output;
    EXPECT_EQ(again.output, "");
  }
  EXPECT_EQ(address_of("c1", "bridge"), address);
  EXPECT_EQ(inside("c1", "cat /proc/self/mountinfo | grep /etc/"), mounts);
  kill(pid_of("c1"), SIGKILL);
  for (int turn = 0; turn < 2; ++turn) {
    const e2e::Result stopped = hook("poststop", R"({"id":"c1","status":"running","pid":0})");
    EXPECT_EQ(stopped.status, 0) << stopped.output;
  }
  EXPECT_EQ(sandboxes(), "");
}

TEST_P(HookTest, OfOldRuntimesIsPrestart) {
  run("c1",
      {.change_after_hooks =
           ".hooks = {\"prestart\":[.hooks.createRuntime[0] | .args=[\"netd-hook\",\"prestart\"]],"
           "\"poststop\":.hooks.poststop}"});
  EXPECT_THAT(inside("c1", "cat /etc/resolv.conf; ip -o -4 address show eth0"), HasSubstr("172."));
}

TEST_P(HookTest, TellsAnotherContainerOfThatIdFromTheOneThatRuns) {
  run("c1");
  const std::string other = start_process();
  const e2e::Result refused =
      hook("createRuntime", R"({"id":"c1","pid":)" + other + R"(,"bundle":"/nowhere"})");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr("createRuntime of container c1: "));
  EXPECT_THAT(refused.output, HasSubstr("already in use"));
  EXPECT_EQ(sandboxes(), "c1\n");
  shell("kill -9 " + other);
}

TEST_P(HookTest, TakesNoSandboxOfOthersForItsOwn) {
  const std::string id(64, 'a');
  const std::string process = start_process();
  shell("netctl sandbox create --id " + id + " --pid " + process + " --network bridge cni");
  const std::string state = R"({"id":")" + id + R"(","pid":)" + process + R"(,"annotations":)";
  const e2e::Result refused =
      hook("createRuntime", state + R"({"io.netd.networks":"bridge","io.netd.files":"none"}})");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr("its network namespace is that of sandbox cni already"));
  EXPECT_EQ(hook("createRuntime", state + R"({"io.netd.files":"none"}})").status, 0);
  EXPECT_EQ(sandboxes(), "cni\n");
  EXPECT_EQ(hook("poststop", R"({"id":")" + id + "\"}").status, 0);
  EXPECT_EQ(sandboxes(), "cni\n");
  shell("kill -9 " + process);
}

TEST_P(HookTest, GivesTheNextOfAnIdInOneNamespaceWhatThatAsksFor) {
  shell(
      "netctl network create --subnet 10.5.0.0/24 front;"
      "netctl network create --subnet 10.6.0.0/24 back; ip netns add vm");
  const auto start_on = [&](const std::string& network) {
    const std::string process = start_process();
    const e2e::Result made = hook(
        "createRuntime", R"({"id":"vm","pid":)" + process +
                             R"(,"annotations":{"io.netd.netns":"/run/netns/vm",)" +
                             R"("io.netd.files":"none","io.netd.networks":")" + network + "\"}}");
    EXPECT_EQ(made.status, 0) << made.output;
    shell("kill -9 " + process);
  };
  start_on("front");
  EXPECT_THAT(shell("ip -n vm -o -4 address show eth0"), HasSubstr("10.5.0."));
  start_on("back");
  EXPECT_THAT(shell("ip -n vm -o -4 address show eth0"), HasSubstr("10.6.0."));
  EXPECT_EQ(hook("poststop", R"({"id":"vm"})").status, 0);
  EXPECT_EQ(sandboxes(), "") << "netd itself keeps it as long as its path is there";
}

TEST_P(HookTest, KnowsTheSandboxesOfTheOneBeforeItWhichNamedNoProcesses) {
  const auto made_before = [] {
    shell(
        "netctl sandbox create --id $(printf oci:vm | sha256sum | cut -c 1-64) --network bridge "
        "--netns /run/netns/vm --label io.netd.container=vm vm");
  };
  shell("ip netns add vm");
  made_before();
  EXPECT_EQ(hook("poststop", R"({"id":"vm"})").status, 0);
  EXPECT_EQ(sandboxes(), "");
  made_before();
  const std::string process = start_process();
  const std::string state = R"({"id":"vm","pid":)" + process + R"(,"annotations":{)" +
                            R"("io.netd.netns":"/run/netns/vm","io.netd.files":"none",)" +
                            R"("io.netd.networks":"bridge"}})";
  const e2e::Result next = hook("createRuntime", state);
  EXPECT_EQ(next.status, 0) << next.output;
  shell("kill -9 " + process);
  EXPECT_EQ(hook("poststop", R"({"id":"vm"})").status, 0);
  EXPECT_EQ(sandboxes(), "");
}

TEST_P(HookTest, GivesUpBeforeTheRuntimeKillsIt) {
  run("c1");
  netd().pause();
  const e2e::Result late = hook("createRuntime", state_of("c1"), "--deadline 1");
  EXPECT_EQ(late.status, 1);
  EXPECT_THAT(late.output, HasSubstr("did not answer within its deadline"));
  netd().go_on();
}

TEST_P(HookTest, SaysWhatToDoWhenNetdIsNotThere) {
  run("c1");
  const std::string state = state_of("c1");
  const e2e::Result elsewhere = hook("createRuntime", state, "-H unix:///run/nobody.sock");
  EXPECT_EQ(elsewhere.status, 1);
  EXPECT_THAT(
      elsewhere.output,
      HasSubstr("cannot connect to unix:///run/nobody.sock: No such file or directory; does "
                "netd run there?"));
}

TEST_P(HookTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(hook("poststart", "{}").status, 2);
  EXPECT_EQ(hook("", "{}").status, 2);
  EXPECT_EQ(hook("createRuntime", "{}", "--deadline soon").status, 2);
  EXPECT_THAT(hook("createRuntime", "not JSON").output,
              HasSubstr("the container's state on stdin is no JSON object"));
  EXPECT_THAT(hook("createRuntime", R"({"id":"c1","pid":999999999})").output,
              HasSubstr("there is no such network namespace"));
}

TEST_P(HookTest, IsNotLedAstrayByLinksInTheImage) {
  shell("mkdir /run/precious && echo mine > /run/precious/hosts");
  make_bundle("c1", {.change_after_hooks = without_mounts});
  shell(
      "ln -s /run/precious/hosts /run/bundles/c1/rootfs/etc/hosts;"
      "ln -s ../../../../run/precious/hosts /run/bundles/c1/rootfs/etc/hostname");
  const e2e::Result created = create("c1");
  ASSERT_EQ(created.status, 0) << created.output;
  EXPECT_EQ(shell("cat /run/precious/hosts"), "mine\n");
  start("c1");
  EXPECT_THAT(inside("c1", "cat /etc/resolv.conf"), HasSubstr("nameserver"));
}

TEST_P(HookTest, MakesWhatLinksInTheImageLeadTo) {
  make_bundle("c1", {.change_after_hooks = without_mounts});
  shell(
      "cd /run/bundles/c1/rootfs/etc && ln -s ../run/systemd/resolve/stub-resolv.conf resolv.conf;"
      "ln -s /var/lib/hosts hosts; ln -s ../../../../tmp/name hostname");
  const e2e::Result created = create("c1");
  ASSERT_EQ(created.status, 0) << created.output;
  start("c1");
  EXPECT_THAT(inside("c1", "cat /etc/resolv.conf /etc/hosts /etc/hostname"),
              AllOf(HasSubstr("nameserver"), HasSubstr("host-of-c1\n"), HasSubstr("\thost-of-c1")));
}

TEST_P(HookTest, TellsSyslogWhatItCouldNotDo) {
  make_bundle("c1", {.change_after_hooks = without_mounts});
  shell("ln -s hosts /run/bundles/c1/rootfs/etc/hosts");  // to itself
  const sandbox::Fd log(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/run/syslog");
  ASSERT_EQ(bind(log.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::ofstream("/run/logging-hook")
      << "#!/bin/sh\nexec unshare --mount --propagation slave sh -c 'mount -t tmpfs none /dev && "
         "mknod -m 666 "
         "/dev/null c 1 3 && ln -s /run/syslog /dev/log && exec " NETD_PROGRAMS
         "/netd-hook createRuntime'\n";
  shell(
      "chmod +x /run/logging-hook; cd /run/bundles/c1;"
      "jq '.hooks.createRuntime[0].path=\"/run/logging-hook\"' config.json >edited;"
      "mv edited config.json");
  const e2e::Result created = create("c1");
  ASSERT_EQ(created.status, 0) << created.output;
  std::array<char, 4096> heard{};
  ASSERT_GT(recv(log.get(), heard.data(), heard.size() - 1, 0), 0);
  EXPECT_THAT(heard.data(), HasSubstr("over /etc/hosts of the container: Too many levels"));
}

}  // namespace
}  // namespace oci
