// Where a container's network namespace comes from, and who else lives in it.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/oci/machine.h"

namespace oci {
namespace {

using ::testing::HasSubstr;

class Namespaces : public OciTest {
 protected:
  static std::string with_path(const std::string& path) {
    return "(.linux.namespaces[] | select(.type==\"network\")).path = \"" + path + "\"";
  }
  /// Returns when it does.
  static std::unique_ptr<e2e::Process> live_in(const std::string& netns) {
    auto process = std::make_unique<e2e::Process>(
        std::vector<std::string>{"nsenter", "--net=" + netns, "sleep", "600"},
        std::vector<std::string>{}, "/run/guest.log");
    shell("timeout 20 sh -c 'until [ /proc/" + std::to_string(process->pid()) + "/ns/net -ef " +
          netns + " ]; do sleep 0.05; done'");
    return process;
  }
};
INSTANTIATE_TEST_SUITE_P(Of, Namespaces, ::testing::Values("runc", "crun"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Namespaces, OfAUserNamespaceAreNetdsToo) {
  make_bundle(
      "c1",
      {.annotations = {{"io.netd.publish", "8080:80"}},
       .change = ".linux.namespaces += [{\"type\":\"user\"}] |"
                 ".linux.uidMappings=[{\"containerID\":0,\"hostID\":100000,\"size\":65536}] |"
                 ".linux.gidMappings=[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]"});
  shell("chown -R 100000:100000 /run/bundles/c1/rootfs");
  const e2e::Result created = create("c1");
  ASSERT_EQ(created.status, 0) << words_of(created);
  start("c1");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"),
              HasSubstr(address_of("c1", "bridge") + "/"));
  EXPECT_THAT(inside("c1", "cat /etc/hosts"), HasSubstr("host-of-c1"));
  expect_agreement();
}

TEST_P(Namespaces, MadeByOthersAreJoined) {
  shell("ip netns add mine");
  run("c1", {.change = with_path("/run/netns/mine")});
  EXPECT_THAT(shell("ip -n mine -br link"), HasSubstr("eth0"));
  remove("c1");
  EXPECT_TRUE(
      eventually([] { return shell("ip -n mine -br link").find("eth0") == std::string::npos; }));
  shell("ip netns del mine");
}

TEST_P(Namespaces, OfASandboxAreSharedWithIt) {
  shell("netctl sandbox create --network bridge pod");
  run("c1", {.change = with_path(netns_of("pod"))});
  EXPECT_EQ(sandboxes(), "c1\npod\n");
  EXPECT_THAT(inside("c1", "ip -o -4 address show eth0"),
              HasSubstr(address_of("pod", "bridge") + "/"));
  EXPECT_THAT(inside("c1", "cat /etc/hosts"), HasSubstr("pod"));
  remove("c1");
  EXPECT_EQ(sandboxes(), "pod\n");
}

TEST_P(Namespaces, OfASandboxDoNotKeepTheContainersThatNobodyDeletes) {
  shell("netctl sandbox create --network bridge pod");
  run("c1", {.change = with_path(netns_of("pod"))});
  kill(pid_of("c1"), SIGKILL);
  EXPECT_TRUE(in_time([] { return sandboxes() == "pod\n"; })) << "poststop was never called";
  shell("netctl sandbox rm pod");
}

TEST_P(Namespaces, OfAContainerAreSharedWithIt) {
  run("c1");
  run("c2", {.change = with_path("/proc/" + std::to_string(pid_of("c1")) + "/ns/net")});
  EXPECT_EQ(sandboxes(), "c1\nc2\n");
  remove("c1");
  EXPECT_EQ(sandboxes(), "c1\nc2\n") << "the network is c2's too";
  EXPECT_THAT(inside("c2", "ip -o -4 address show eth0"), HasSubstr("172."));
  remove("c2");
  EXPECT_TRUE(all_gone()) << sandboxes();
}

TEST_P(Namespaces, OfAPodOutliveItsFirstContainerWhichMayStartAgain) {
  shell("ip netns add pod");
  const auto infra = live_in("/run/netns/pod");
  run("web",
      {.annotations = {{"io.netd.networks", "bridge"}}, .change = with_path("/run/netns/pod")});
  const std::string address = address_of("web", "bridge");
  run("side", {.change = with_path("/run/netns/pod")});
  const auto start_again = [&] {
    remove("web");
    EXPECT_THAT(shell("ip -n pod -o -4 address show eth0"), HasSubstr(address + "/"));
    const e2e::Result created = create("web");
    EXPECT_EQ(created.status, 0) << words_of(created);
    EXPECT_THAT(shell("ip -n pod -o -4 address show eth0"), HasSubstr(address + "/"));
  };
  start_again();
  EXPECT_EQ(sandboxes(), "side\nweb\n");
  remove("side");
  start_again();
  infra->signal(SIGKILL);
  remove("web");
  EXPECT_TRUE(all_gone()) << sandboxes();
}

TEST_P(Namespaces, ThatAnAnnotationNamesGoWithTheirPath) {
  shell("ip netns add machine");
  run("c1", {.annotations = {{"io.netd.netns", "/run/netns/machine"}}});
  EXPECT_THAT(shell("ip -n machine -br link"), HasSubstr("eth0"));
  EXPECT_EQ(sandboxes(), "c1\n");
  shell("ip netns del machine");
  EXPECT_TRUE(all_gone()) << sandboxes();
}

TEST_P(Namespaces, OfTheHostAreLeftAlone) {
  make_bundle("c1", {.change_after_hooks = ".linux.namespaces |= map(select(.type!=\"network\"))"});
  EXPECT_EQ(create("c1").status, 0);
  EXPECT_EQ(sandboxes(), "");
  make_bundle("c2", {.annotations = {{"io.netd.networks", "bridge"}},
                     .change_after_hooks = ".linux.namespaces |= map(select(.type!=\"network\"))"});
  const e2e::Result created = create("c2");
  EXPECT_NE(created.status, 0);
  EXPECT_THAT(words_of(created), HasSubstr("the container is in the host's network namespace"));
}

TEST_P(Namespaces, WhereSomebodyStaysKeepTheirSandbox) {
  run("c1");
  const auto guest = live_in(netns_of("c1"));
  kill(pid_of("c1"), SIGKILL);
  EXPECT_TRUE(in_time([&] { return api("/sandboxes")[0]["Pid"] == guest->pid(); }));
  restart_netd();
  EXPECT_EQ(sandboxes(), "c1\n");
  guest->signal(SIGKILL);
  EXPECT_TRUE(all_gone());
}

}  // namespace
}  // namespace oci
