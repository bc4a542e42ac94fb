// Attachments: what a sandbox gets from its networks, and how that changes while it lives.
#include <gmock/gmock.h>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using ::testing::HasSubstr;

class Attachment : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    shell("netctl network create --subnet 10.5.0.0/24 front");
    shell("netctl network create --subnet 10.6.0.0/24 back");
  }
  /// "eth0 10.5.0.2/24"-like lines of the sandbox's interfaces, in the order of their indexes'
  /// names.
  static std::string interfaces(const std::string& sandbox) {
    return in(
        sandbox,
        "ip -br -4 address show scope global | sed 's/@[^ ]*//' | awk '{print $1, $3}' | sort");
  }
};

TEST_F(Attachment, NetworksBecomeInterfacesInTheOrderOfTheOptions) {
  shell("netctl sandbox create --network back:ip=10.6.0.9 --network front:ip=10.5.0.9 box");
  EXPECT_EQ(interfaces("box"), "eth0 10.6.0.9/24\neth1 10.5.0.9/24\n");
}

TEST_F(Attachment, AddressAndMacAreAsAsked) {
  shell("netctl sandbox create --network front:ip=10.5.0.77,mac=02:42:0a:05:00:4d box");
  EXPECT_EQ(interfaces("box"), "eth0 10.5.0.77/24\n");
  EXPECT_EQ(
      in("box",
         "cat /sys/class/net/eth0/address 2>/dev/null || ip -br link show eth0 | awk '{print $3}'")
          .substr(0, 17),
      "02:42:0a:05:00:4d");
}

TEST_F(Attachment, TheInterfaceNameIsAsAsked) {
  shell("netctl sandbox create --network front:ip=10.5.0.8,ifname=lan7 box");
  EXPECT_EQ(interfaces("box"), "lan7 10.5.0.8/24\n");
}

TEST_F(Attachment, AnAddressInUseIsRefusedAndLeavesNothing) {
  shell("netctl sandbox create --network front:ip=10.5.0.8 first");
  const std::string before = traces();
  EXPECT_EQ(attempt("netctl sandbox create --network front:ip=10.5.0.8 second").status, 1);
  EXPECT_TRUE(eventually([&] { return traces() == before; })) << before << traces();
}

TEST_F(Attachment, AnAddressOutsideTheSubnetIsRefused) {
  EXPECT_EQ(attempt("netctl sandbox create --network front:ip=10.9.0.8 box").status, 1);
}

TEST_F(Attachment, ASecondNetworkCanComeAndGo) {
  shell("netctl sandbox create --network front:ip=10.5.0.2 box");
  shell("netctl network connect --ip 10.6.0.2 back box");
  EXPECT_EQ(interfaces("box"), "eth0 10.5.0.2/24\neth1 10.6.0.2/24\n");
  shell("netctl network disconnect back box");
  EXPECT_EQ(interfaces("box"), "eth0 10.5.0.2/24\n");
}

TEST_F(Attachment, DisconnectAndConnectAgainAtOnce) {
  shell("netctl sandbox create --network front:ip=10.5.0.2 box");
  shell(
      "for i in 1 2 3 4 5; do netctl network disconnect front box &&"
      "  netctl network connect --ip 10.5.0.2 --mac-address 02:42:0a:05:00:02 front box || exit 1; "
      "done");
  EXPECT_EQ(interfaces("box"), "eth0 10.5.0.2/24\n");
  shell("netctl sandbox create --network front client");
  const WebServer web(netns_of("box"), 80, "page");
  EXPECT_EQ(in("client", fetch("http://box/")), "page");
}

TEST_F(Attachment, TheDefaultRouteMovesToTheNetworkThatIsLeft) {
  shell("netctl sandbox create --network front --network back box");
  const std::string first = in("box", "ip route show default");
  const bool by_front = first.find("10.5.0.1") != std::string::npos;
  shell(by_front ? "netctl network disconnect front box" : "netctl network disconnect back box");
  EXPECT_THAT(in("box", "ip route show default"),
              HasSubstr(by_front ? "via 10.6.0.1" : "via 10.5.0.1"));
}

TEST_F(Attachment, GatewayPriorityChoosesTheDefaultRoute) {
  shell("netctl sandbox create --network front --network back:gw-priority=10 box");
  EXPECT_THAT(in("box", "ip route show default"), HasSubstr("via 10.6.0.1"));
}

TEST_F(Attachment, ConnectingTwiceIsRefused) {
  shell("netctl sandbox create --network front box");
  const Result result = attempt("netctl network connect front box");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("already"));
}

TEST_F(Attachment, ANetworkInUseIsNotRemoved) {
  shell("netctl sandbox create --network front box");
  const Result result = attempt("netctl network rm front");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("has active endpoints"));
  EXPECT_THAT(result.output, HasSubstr("box"));
}

TEST_F(Attachment, ASharedSandboxLivesInTheSameNamespace) {
  shell("netctl sandbox create --network front box && netctl sandbox create --share box sidecar");
  const WebServer web(netns_of("box"), 80, "page");
  EXPECT_EQ(in("sidecar", fetch("http://127.0.0.1/")), "page");
  EXPECT_EQ(interfaces("sidecar"), interfaces("box"));
}

TEST_F(Attachment, ANamespaceIsAdoptedByItsPath) {
  shell(
      "ip netns add mine && netctl sandbox create --netns /run/netns/mine --network "
      "front:ip=10.5.0.2 box");
  EXPECT_THAT(shell("ip -n mine -br address show eth0"), HasSubstr("10.5.0.2/24"));
  shell("netctl sandbox rm box");
  EXPECT_TRUE(eventually(
      [] { return shell("ip -n mine -br link show").find("eth0") == std::string::npos; }));
  shell("ip netns del mine");  // it is still the user's
}

TEST_F(Attachment, ANamespaceIsAdoptedByAProcess) {
  Process engine({"unshare", "--net", "sleep", "600"}, {}, "/run/engine.log");
  // unshare has made the namespace when its link differs from ours.
  const std::string link = "/proc/" + std::to_string(engine.pid()) + "/ns/net";
  shell("timeout 10 sh -c 'while [ $(readlink " + link +
        ") = $(readlink /proc/self/ns/net) ]; do :; done'");
  shell("netctl sandbox create --pid " + std::to_string(engine.pid()) +
        " --network front:ip=10.5.0.2 box");
  EXPECT_EQ(interfaces("box"), "eth0 10.5.0.2/24\n");
}

TEST_F(Attachment, TheHostNetworkIsTheHostsNamespace) {
  shell("netctl sandbox create --network host box");
  EXPECT_THAT(in("box", "ip -br address show uplink"), HasSubstr("192.0.2.1/24"));
}

TEST_F(Attachment, TheNetworkNoneHasLoopbackOnly) {
  shell("netctl sandbox create --network none box");
  EXPECT_EQ(in("box", "ip -br link show | awk '{print $1}'"), "lo\n");
}

TEST_F(Attachment, RemovingEverythingLeavesNothing) {
  shell("netctl sandbox create --network front --network back -p 8080:80 box");
  shell("netctl sandbox create --network front client");
  shell("netctl sandbox rm box client && netctl network rm front back");
  expect_nothing_left();
}

TEST_F(Attachment, PurgeAloneLeavesNothing) {
  shell("netctl sandbox create --network front --network back -p 8080:80 box");
  expect_nothing_left();
}

}  // namespace
}  // namespace e2e
