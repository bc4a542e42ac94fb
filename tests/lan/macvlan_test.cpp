// macvlan networks on a LAN, proved by packets.
#include <gmock/gmock.h>

#include "tests/lan/lan.h"

namespace lan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Macvlan : public Lan {};

TEST_F(Macvlan, SandboxesAreHostsOfTheLan) {
  create_network();
  create_sandbox("web", "lan:ip=192.168.7.150,mac=02:42:c0:a8:07:96");
  create_sandbox("client");
  const e2e::WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(in("client", e2e::fetch("http://web/")), "page");
  EXPECT_EQ(on("neighbour", e2e::fetch("http://192.168.7.150/")), "page");
  EXPECT_THAT(on("neighbour", "ip neigh show 192.168.7.150"), HasSubstr("02:42:c0:a8:07:96"));
  // By the LAN's router to what is behind it.
  EXPECT_THAT(in("client", "ip route"), HasSubstr("default via 192.168.7.1 dev eth0"));
  EXPECT_TRUE(reaches("client", beyond_address));
  // The kernel keeps a parent and its children apart.
  EXPECT_FALSE(reaches("client", host_address));
  EXPECT_NE(attempt(ping("192.168.7.150")).status, 0);
}

TEST_F(Macvlan, NothingStays) {
  const auto host = [] {
    return shell("ip -o link show lan0; ip -4 address show lan0; ip route | grep -v docker0");
  };
  const std::string before = host();
  create_network("-o io.netd.host_access=true");
  create_sandbox("a");
  create_sandbox("b");
  shell("netctl network disconnect lan a; netctl sandbox rm a; netctl sandbox rm b");
  shell("netctl network rm lan");
  EXPECT_EQ(host(), before);
  expect_nothing_left();
}

TEST_F(Macvlan, ADisconnectedSandboxThatLivesOnHasNoLink) {
  create_network();
  create_sandbox("web");
  shell("netctl network disconnect lan web");
  const std::string in_web = "nsenter --net=" + netns_of("web") + " ip link show eth0";
  EXPECT_TRUE(eventually([&] { return attempt(in_web).status != 0; }));
  shell("netctl network connect lan web");
  EXPECT_TRUE(reaches("web", neighbour_address));
}

TEST_F(Macvlan, InModePrivateSandboxesDontSeeEachOther) {
  create_network("-o macvlan_mode=private");
  create_sandbox("a", "lan:ip=192.168.7.150");
  create_sandbox("b", "lan:ip=192.168.7.151");
  EXPECT_TRUE(reaches("a", neighbour_address));
  EXPECT_TRUE(reaches("b", neighbour_address));
  EXPECT_FALSE(reaches("a", "192.168.7.151"));
  // Not by a switch that sends frames back, either.
  on("lan", "bridge link set dev port0 hairpin on");
  EXPECT_FALSE(reaches("a", "192.168.7.151"));
}

TEST_F(Macvlan, InModeVepaTheSwitchSwitches) {
  create_network("-o macvlan_mode=vepa");
  create_sandbox("a", "lan:ip=192.168.7.150");
  create_sandbox("b", "lan:ip=192.168.7.151");
  EXPECT_TRUE(reaches("a", neighbour_address));
  EXPECT_FALSE(reaches("a", "192.168.7.151"));
  on("lan", "bridge link set dev port0 hairpin on");
  EXPECT_TRUE(reaches("a", "192.168.7.151"));
}

TEST_F(Macvlan, InModePassthruOneSandboxHasTheParent) {
  create_network("-o macvlan_mode=passthru");
  create_sandbox("a");
  EXPECT_TRUE(reaches("a", neighbour_address));
  const auto second = attempt("netctl sandbox create --network lan b");
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.output, HasSubstr("in macvlan mode passthru a parent has one endpoint"));
  EXPECT_THAT(
      attempt("netctl network create -d macvlan -o parent=lan0 --subnet 10.9.0.0/24 more").output,
      HasSubstr("in mode passthru"));
}

TEST_F(Macvlan, InModeSourceOnlyTheseAreHeard) {
  const std::string neighbour = on("neighbour", "cat /sys/class/net/eth0/address | tr -d '\\n'");
  create_network("-o macvlan_mode=source -o io.netd.macvlan_sources=" + neighbour);
  create_sandbox("a");
  EXPECT_TRUE(reaches("a", neighbour_address));
  EXPECT_FALSE(reaches("a", router_address));
}

TEST_F(Macvlan, WithoutAParentNetworkIsInternal) {
  shell("netctl network create -d macvlan --subnet 10.9.0.0/24 box");
  create_sandbox("a", "box:ip=10.9.0.5");
  create_sandbox("b", "box");
  EXPECT_TRUE(reaches("b", "10.9.0.5"));
  EXPECT_EQ(in("b", "ip route show default"), "");
  EXPECT_TRUE(api("/networks/box").at("Internal").get<bool>());
  expect_agreement();
}

TEST_F(Macvlan, WithoutAGatewayTheDefaultRouteIsOnTheLink) {
  shell(
      "netctl network create -d macvlan -o parent=lan0 --subnet 192.168.7.0/24 "
      "--ip-range 192.168.7.128/25 lan");
  create_sandbox("a");
  EXPECT_THAT(in("a", "ip route"), HasSubstr("default dev eth0"));
  EXPECT_TRUE(reaches("a", neighbour_address));
}

TEST_F(Macvlan, HostAccessWorksBothWays) {
  create_network("-o io.netd.host_access=true");
  create_sandbox("web", "lan:ip=192.168.7.150");
  const e2e::WebServer web(netns_of("web"), 80, "page");
  const e2e::WebServer host("", 8090, "host");
  EXPECT_EQ(shell(e2e::fetch("http://192.168.7.150/")), "page");
  EXPECT_EQ(in("web", e2e::fetch(std::string("http://") + host_address + ":8090/")), "host");
  EXPECT_EQ(on("neighbour", e2e::fetch("http://192.168.7.150/")), "page");
  restart_netd();
  EXPECT_EQ(shell(e2e::fetch("http://192.168.7.150/")), "page");
  expect_agreement();
}

TEST_F(Macvlan, HostAccessTakesTheAddressThatIsNamedForIt) {
  create_network("-o io.netd.host_access=true --aux-address host=192.168.7.99");
  EXPECT_THAT(shell("ip -o address"), HasSubstr("192.168.7.99/32"));
}

TEST_F(Macvlan, Ipv6AndSeveralSubnets) {
  shell(
      "netctl network create -d macvlan -o parent=lan0 --ipv6 --subnet 192.168.7.0/24 "
      "--ip-range 192.168.7.128/25 --gateway 192.168.7.1 --subnet 192.168.9.0/24 "
      "--subnet fd07::/64 --gateway fd07::1 lan");
  create_sandbox("a", "lan:ip=192.168.9.5");
  create_sandbox("b");
  EXPECT_TRUE(reaches("b", "fd07::2"));
  EXPECT_THAT(in("b", "ip -6 route"), HasSubstr("default via fd07::1"));
  EXPECT_THAT(in("a", "ip route"), HasSubstr("default dev eth0"));
  EXPECT_EQ(address_of("a", "lan"), "192.168.9.5");
}

TEST_F(Macvlan, MtuIsTheParentsOrLess) {
  shell("ip link set lan0 mtu 1400");
  create_network();
  create_sandbox("a");
  EXPECT_EQ(link_in("a").at("mtu"), 1400);
  const auto more = attempt(
      "netctl network create -d macvlan -o parent=lan0 -o com.docker.network.driver.mtu=1500 "
      "--subnet 10.9.0.0/24 more");
  EXPECT_EQ(more.status, 1);
  EXPECT_THAT(more.output, HasSubstr("above that of parent lan0, 1400"));
}

TEST_F(Macvlan, PublishedPortsAreIgnoredWithAWarning) {
  create_network();
  const std::string output =
      shell("netctl sandbox create --network lan:ip=192.168.7.150 -p 8080:80 web 2>/run/errors");
  EXPECT_EQ(shell("cat /run/errors"),
            "WARNING: published ports are ignored: on network lan (macvlan) containers are reached "
            "at their own addresses, this one at 192.168.7.150\n");
  EXPECT_EQ(output, api("/sandboxes/web").at("Id").get<std::string>() + "\n") << "it is made";
  EXPECT_THAT(netd_log(), HasSubstr("published ports are ignored"));
  const e2e::WebServer web(netns_of("web"), 80, "page");
  EXPECT_NE(attempt_outside(e2e::fetch("http://192.0.2.1:8080/")).status, 0);
}

TEST_F(Macvlan, PortsThatAConnectionTakesAwayAreWarnedOf) {
  create_network();
  shell(
      "netctl network create shop; netctl network create quiet;"
      "netctl sandbox create --network shop -p 8080:80 web 2>/run/errors");
  const auto errors_of = [](const std::string& command) {
    shell("netctl " + command + " 2>/run/errors");
    return shell("cat /run/errors");
  };
  EXPECT_EQ(shell("cat /run/errors"), "");
  EXPECT_EQ(errors_of("network connect --gw-priority=-1 lan web"), "")
      << "the bridge is the gateway still";
  EXPECT_EQ(errors_of("network disconnect lan web"), "");
  EXPECT_THAT(errors_of("network connect --gw-priority 1 lan web"),
              StartsWith("WARNING: published ports are ignored: on network lan (macvlan)"));
  EXPECT_EQ(errors_of("network connect quiet web"), "") << "nothing new";
  EXPECT_THAT(errors_of("sandbox ports web --add 9090:90"), HasSubstr("ports are ignored"));
}

TEST_F(Macvlan, BesideABridgeThePortsAreTheBridges) {
  create_network();
  shell(
      "netctl network create shop; "
      "netctl sandbox create --network lan --network shop:gw-priority=1 -p 8080:80 web");
  const e2e::WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(outside(e2e::fetch("http://192.0.2.1:8080/")), "page");
}

TEST_F(Macvlan, NetworksShareAParent) {
  create_network();
  shell("netctl network create -d macvlan -o parent=lan0 --subnet 10.9.0.0/24 more");
  create_sandbox("a");
  create_sandbox("b", "more");
  shell("netctl sandbox rm b; netctl network rm more");
  EXPECT_TRUE(reaches("a", neighbour_address));
}

TEST_F(Macvlan, AKillAndARestartKeepTheLinks) {
  create_network("-o io.netd.host_access=true");
  create_sandbox("web", "lan:ip=192.168.7.150");
  const e2e::EchoServer echo(netns_of("web"), 7, "");
  const int index = link_in("web").at("ifindex");
  crash_netd();
  EXPECT_EQ(e2e::ask(netns("neighbour"), "192.168.7.150", 7, "without netd"), "without netd");
  start_netd();
  EXPECT_EQ(link_in("web").at("ifindex"), index);
  EXPECT_EQ(e2e::ask(netns("neighbour"), "192.168.7.150", 7, "after"), "after");
  expect_agreement();
}

TEST_F(Macvlan, AParentThatGoesDownAndUpComesBack) {
  create_network();
  create_sandbox("web");
  shell("ip link set lan0 down");
  EXPECT_FALSE(reaches("web", neighbour_address));
  shell("ip link set lan0 up");
  EXPECT_TRUE(eventually([] { return reaches("web", neighbour_address); }));
  EXPECT_THAT(in("web", "ip route"), HasSubstr("default via 192.168.7.1"));
}

TEST_F(Macvlan, AParentMayBeRenamed) {
  create_network();
  create_sandbox("web");
  shell("ip link set lan0 name lan1");
  EXPECT_TRUE(reaches("web", neighbour_address));
  restart_netd();
  create_sandbox("later");
  EXPECT_TRUE(reaches("later", neighbour_address));
  EXPECT_THAT(netd_log(), Not(HasSubstr("missing")));
}

TEST_F(Macvlan, AParentThatWasDeletedAndComesBackGetsItsSandboxesAgain) {
  create_network("-o io.netd.host_access=true");
  create_sandbox("web", "lan:ip=192.168.7.150");
  shell("ip link del lan0");
  const std::string again =
      "ip link add lan0 type veth peer name port0 netns lan; ip -n lan link set port0 master sw up;"
      "ip address add 192.168.7.10/24 dev lan0; ip link set lan0 up";
  shell(again);
  EXPECT_TRUE(eventually([] { return reaches("web", neighbour_address); })) << netd_log();
  EXPECT_THAT(netd_log(), HasSubstr("lan0 is missing"));
  EXPECT_THAT(in("web", "ip route"), HasSubstr("default via 192.168.7.1"));
  EXPECT_EQ(attempt(ping("192.168.7.150")).status, 0);
  EXPECT_TRUE(eventually([] { return reaches("web", host_address); }));
  expect_agreement();
}

TEST_F(Macvlan, AnAddressThatTheHostGetsLaterIsReachedToo) {
  create_network("-o io.netd.host_access=true");
  create_sandbox("web");
  EXPECT_FALSE(reaches("web", "192.168.7.11"));
  shell("ip address add 192.168.7.11/24 dev lan0");
  EXPECT_TRUE(eventually([] {
    return in("web", "ip route").find("192.168.7.11 via") != std::string::npos;
  })) << netd_log();
  EXPECT_TRUE(reaches("web", "192.168.7.11"));
}

TEST_F(Macvlan, AParentThatComesBackWhileNetdIsAwayToo) {
  create_network();
  create_sandbox("web");
  stop_netd();
  shell(
      "ip link del lan0; "
      "ip link add lan0 type veth peer name port0 netns lan; ip -n lan link set port0 master sw "
      "up; ip link set lan0 up");
  start_netd();
  EXPECT_TRUE(reaches("web", neighbour_address));
}

TEST_F(Macvlan, AfterARebootTheNetworkIsThere) {
  create_network("-o io.netd.host_access=true");
  create_sandbox("web");
  reboot();
  create_sandbox("web");
  EXPECT_TRUE(reaches("web", neighbour_address));
  EXPECT_TRUE(reaches("web", host_address));
}

TEST_F(Macvlan, RefusesWhatIsNoParent) {
  EXPECT_THAT(
      attempt("netctl network create -d macvlan -o parent=nix --subnet 10.9.0.0/24 n").output,
      HasSubstr("-o parent interface was not found on the host: nix"));
  EXPECT_THAT(
      attempt("netctl network create -d macvlan -o parent=nix.7 --subnet 10.9.0.0/24 n").output,
      HasSubstr("-o parent interface was not found on the host: nix"));
  EXPECT_THAT(
      attempt("netctl network create -d macvlan -o parent=lan0.x --subnet 10.9.0.0/24 n").output,
      HasSubstr("invalid subinterface vlan name lan0.x"));
  EXPECT_THAT(shell("netctl network ls"), Not(HasSubstr("macvlan")));
}

}  // namespace
}  // namespace lan
