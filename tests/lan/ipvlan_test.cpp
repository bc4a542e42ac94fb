// ipvlan networks, 802.1Q links, VLANs of bridges and VRFs, proved by packets. Most of them need
// what only the second kernel has.
#include <gmock/gmock.h>

#include "tests/lan/lan.h"
#include "tests/support/needs.h"

namespace lan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using tests::Feature;
using tests::lacks;

class Ipvlan : public Lan {
 protected:
  static void create_ipvlan(const std::string& options = "") {
    create_network("-d ipvlan " + options);
  }
  /// l3: two subnets behind this host, which the neighbour knows the way to.
  static void create_routed(const std::string& mode) {
    shell("netctl network create -d ipvlan -o parent=lan0 -o ipvlan_mode=" + mode +
          " --subnet 10.8.0.0/24 --subnet 10.9.0.0/24 routed");
    on("neighbour", "ip route add 10.8.0.0/24 via 192.168.7.10");
    on("neighbour", "ip route add 10.9.0.0/24 via 192.168.7.10");
  }
};

TEST_F(Ipvlan, InL2SandboxesAreOnTheLanWithTheParentsMac) {
  if (lacks(Feature::ipvlan)) return;
  create_ipvlan();
  create_sandbox("web", "lan:ip=192.168.7.150");
  create_sandbox("client");
  const e2e::WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(on("neighbour", e2e::fetch("http://192.168.7.150/")), "page");
  EXPECT_EQ(in("client", e2e::fetch("http://web/")), "page");
  EXPECT_TRUE(reaches("client", beyond_address));
  const std::string mac = shell("ip -j link show lan0 | jq -j '.[0].address'");
  EXPECT_THAT(on("neighbour", "ip neigh show 192.168.7.150"), HasSubstr(mac));
  EXPECT_EQ(attachment("web", "lan").value("MacAddress", ""), "");
  EXPECT_FALSE(reaches("client", host_address));
  restart_netd();
  EXPECT_EQ(in("client", e2e::fetch("http://web/")), "page");
  expect_agreement();
  shell("netctl sandbox rm web; netctl sandbox rm client; netctl network rm lan");
}

TEST_F(Ipvlan, NothingStays) {
  if (lacks(Feature::ipvlan)) return;
  create_ipvlan("-o io.netd.host_access=true");
  create_sandbox("web");
  shell("netctl network disconnect lan web; netctl network connect lan web");
  shell("netctl sandbox rm web; netctl network rm lan");
  expect_nothing_left();
}

TEST_F(Ipvlan, HasNoMacOfItsOwn) {
  if (lacks(Feature::ipvlan)) return;
  create_ipvlan();
  const auto result = attempt("netctl sandbox create --network lan:mac=02:00:00:00:00:09 web");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output,
              HasSubstr("ipvlan interfaces do not support custom mac address assignment"));
}

TEST_F(Ipvlan, InL3TheHostRoutes) {
  if (lacks(Feature::ipvlan)) return;
  create_routed("l3");
  create_sandbox("a", "routed:ip=10.8.0.5");
  create_sandbox("b", "routed:ip=10.9.0.5");
  EXPECT_THAT(in("a", "ip route"), HasSubstr("default dev eth0"));
  EXPECT_TRUE(reaches("a", "10.9.0.5"));  // between subnets, without a router
  EXPECT_TRUE(reaches("a", neighbour_address));
  EXPECT_EQ(attempt_on("neighbour", ping("10.8.0.5")).status, 0);
  // No ARP goes out.
  EXPECT_EQ(in("a", "ip neigh show"), "");
}

TEST_F(Ipvlan, InL3sTooAndTheHostsFirewallSeesIt) {
  if (lacks(Feature::ipvlan)) return;
  create_routed("l3s");
  create_sandbox("a", "routed:ip=10.8.0.5");
  EXPECT_EQ(attempt_on("neighbour", ping("10.8.0.5")).status, 0);
  shell(
      "nft 'add table ip t; add chain ip t in { type filter hook input priority 0; }; "
      "add rule ip t in ip daddr 10.8.0.5 drop'");
  EXPECT_NE(attempt_on("neighbour", ping("10.8.0.5")).status, 0);
  shell("nft delete table ip t");
}

TEST_F(Ipvlan, FlagsKeepSandboxesApart) {
  if (lacks(Feature::ipvlan)) return;
  for (const char* flag : {"private", "vepa"}) {
    create_ipvlan(std::string("-o ipvlan_flag=") + flag);
    create_sandbox("a", "lan:ip=192.168.7.150");
    create_sandbox("b", "lan:ip=192.168.7.151");
    EXPECT_TRUE(reaches("a", neighbour_address)) << flag;
    EXPECT_FALSE(reaches("a", "192.168.7.151")) << flag;
    shell("netctl sandbox rm a; netctl sandbox rm b; netctl network rm lan");
  }
}

TEST_F(Ipvlan, HostAccessWorksBothWays) {
  if (lacks(Feature::ipvlan)) return;
  create_ipvlan("-o io.netd.host_access=true");
  create_sandbox("web", "lan:ip=192.168.7.150");
  EXPECT_EQ(attempt(ping("192.168.7.150")).status, 0);
  EXPECT_TRUE(reaches("web", host_address));
}

TEST_F(Ipvlan, WithoutAParentNetworkIsInternal) {
  if (lacks(Feature::ipvlan)) return;
  shell("netctl network create -d ipvlan --subnet 10.9.0.0/24 box");
  create_sandbox("a", "box:ip=10.9.0.5");
  create_sandbox("b", "box");
  EXPECT_TRUE(reaches("b", "10.9.0.5"));
  EXPECT_EQ(in("b", "ip route show default"), "");
}

TEST_F(Ipvlan, AParentThatWasDeletedAndComesBackGetsItsSandboxesAgain) {
  if (lacks(Feature::ipvlan)) return;
  create_ipvlan();
  create_sandbox("web");
  shell(
      "ip link del lan0; ip link add lan0 type veth peer name port0 netns lan;"
      "ip -n lan link set port0 master sw up; ip link set lan0 up");
  EXPECT_TRUE(eventually([] { return reaches("web", neighbour_address); })) << netd_log();
}

/// A kernel without ipvlan says what is missing.
TEST_F(Ipvlan, WhereTheKernelLacksItTheErrorSaysSo) {
  if (tests::has(Feature::ipvlan)) return;
  shell("netctl network create -d ipvlan -o parent=lan0 --subnet 10.9.0.0/24 n");
  const auto result = attempt("netctl sandbox create --network n web");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("create ipvlan eth0"));
}

class Vlan : public Lan {
 protected:
  void prepare_machine() override {
    Lan::prepare_machine();
    if (!tests::has(Feature::vlan)) return;
    shell(
        "ip -n neighbour link add link eth0 name eth0.42 type vlan id 42;"
        "ip -n neighbour address add 192.168.42.2/24 dev eth0.42;"
        "ip -n neighbour link set eth0.42 up");
  }
  static void create_vlan(const std::string& name = "office") {
    shell("netctl network create -d macvlan -o parent=lan0.42 --subnet " +
          std::string(name == "office" ? "192.168.42.0/24" : "192.168.43.0/24") + " " + name);
  }
};

TEST_F(Vlan, ALinkOfNetdsMakingCarriesTheNetwork) {
  if (lacks(Feature::vlan)) return;
  create_vlan();
  EXPECT_THAT(shell("ip -d link show lan0.42"), HasSubstr("802.1Q id 42"));
  create_sandbox("web", "office:ip=192.168.42.50");
  EXPECT_TRUE(reaches("web", "192.168.42.2"));
  EXPECT_FALSE(reaches("web", router_address));  // which is in no VLAN
  restart_netd();
  EXPECT_TRUE(reaches("web", "192.168.42.2"));
  shell("netctl sandbox rm web; netctl network rm office");
  EXPECT_TRUE(eventually([] { return attempt("ip link show lan0.42").status != 0; }));
}

TEST_F(Vlan, TheLastUserTakesTheLinkAlong) {
  if (lacks(Feature::vlan)) return;
  create_vlan("office");
  create_vlan("more");
  create_sandbox("web", "more");
  const std::string link = shell("ip -o link show lan0.42 | cut -d: -f1");
  shell("netctl network rm office");
  EXPECT_EQ(shell("ip -o link show lan0.42 | cut -d: -f1"), link);
  crash_netd();
  start_netd();
  EXPECT_EQ(shell("ip -o link show lan0.42 | cut -d: -f1"), link);
  expect_agreement();
  shell("netctl sandbox rm web; netctl network rm more");
  EXPECT_TRUE(eventually([] { return attempt("ip link show lan0.42").status != 0; }));
}

TEST_F(Vlan, ALinkOfTheUsersStays) {
  if (lacks(Feature::vlan)) return;
  shell("ip link add link lan0 name lan0.42 type vlan id 42; ip link set lan0.42 up");
  create_vlan();
  create_sandbox("web", "office");
  EXPECT_TRUE(reaches("web", "192.168.42.2"));
  shell("netctl sandbox rm web; netctl network rm office");
  EXPECT_EQ(attempt("ip link show lan0.42").status, 0);
}

TEST_F(Vlan, AfterARebootTheLinkIsMadeAgain) {
  if (lacks(Feature::vlan)) return;
  create_vlan("office");
  create_vlan("more");
  reboot();
  create_sandbox("web", "office:ip=192.168.42.50");
  EXPECT_TRUE(reaches("web", "192.168.42.2"));
  expect_agreement();
}

TEST_F(Vlan, OneThatSomebodyDeletesComesBack) {
  if (lacks(Feature::vlan)) return;
  create_vlan();
  create_sandbox("web", "office");
  shell("ip link del lan0.42");
  EXPECT_TRUE(eventually([] { return reaches("web", "192.168.42.2"); })) << netd_log();
}

class BridgeVlan : public Lan {};

TEST_F(BridgeVlan, PortsOfAnExistingBridgeAreInTheirVlanOnly) {
  if (lacks(Feature::bridge_vlans) || lacks(Feature::vlan)) return;
  shell(
      "ip link add br-lan type bridge vlan_filtering 1; ip link set br-lan up;"
      "ip link set lan0 master br-lan; bridge vlan add dev lan0 vid 42;"
      "ip -n neighbour link add link eth0 name eth0.42 type vlan id 42;"
      "ip -n neighbour address add 192.168.42.2/24 dev eth0.42; ip -n neighbour link set eth0.42 "
      "up");
  shell(
      "netctl network create -o com.docker.network.bridge.name=br-lan -o io.netd.unmanaged=true "
      "-o io.netd.vlan=42 --subnet 192.168.42.0/24 office;"
      "netctl network create -o com.docker.network.bridge.name=br-lan -o io.netd.unmanaged=true "
      "--subnet 192.168.7.0/24 --ip-range 192.168.7.128/25 lan");
  create_sandbox("web", "office:ip=192.168.42.50");
  create_sandbox("plain", "lan");
  EXPECT_TRUE(reaches("web", "192.168.42.2"));
  EXPECT_TRUE(reaches("plain", neighbour_address));
  EXPECT_FALSE(reaches("web", router_address));  // which is in no VLAN
  const std::string port =
      shell("ip -j link | jq -r '.[] | select(.ifalias == \"netd:" +
            attachment("web", "office").at("EndpointID").get<std::string>() + "\") | .ifname'");
  const std::string vlans = shell("bridge vlan show dev " + port);
  EXPECT_THAT(vlans, HasSubstr("42 PVID Egress Untagged"));
  EXPECT_THAT(vlans, Not(HasSubstr("1 PVID")));
}

TEST_F(BridgeVlan, ABridgeOfNetdsIsInItWithAllItsPorts) {
  if (lacks(Feature::bridge_vlans)) return;
  shell("netctl network create --subnet 10.5.0.0/24 -o io.netd.vlan=42 shop");
  create_sandbox("a", "shop");
  create_sandbox("b", "shop:ip=10.5.0.9");
  EXPECT_TRUE(reaches("a", "10.5.0.9"));
  EXPECT_TRUE(reaches("a", "10.5.0.1"));
  EXPECT_THAT(shell("bridge vlan show"), HasSubstr("42 PVID Egress Untagged"));
}

class Vrf : public Lan {};

TEST_F(Vrf, ABridgeIsPutIntoIt) {
  if (lacks(Feature::vrf)) return;
  EXPECT_THAT(attempt("netctl network create -o io.netd.vrf=blue --subnet 10.5.0.0/24 n").output,
              HasSubstr("there is no VRF blue on the host"));
  shell("ip link add blue type vrf table 42; ip link set blue up");
  shell("netctl network create -o io.netd.vrf=blue --subnet 10.5.0.0/24 shop");
  create_sandbox("web", "shop:ip=10.5.0.9");
  EXPECT_THAT(shell("ip -o link show type bridge"), HasSubstr("master blue"));
  EXPECT_TRUE(reaches("web", "10.5.0.1"));
  EXPECT_THAT(shell("ip route show vrf blue"), HasSubstr("10.5.0.0/24"));
  EXPECT_THAT(shell("ip route"), Not(HasSubstr("10.5.0.0/24")));
  restart_netd();
  EXPECT_TRUE(reaches("web", "10.5.0.1"));
}

}  // namespace
}  // namespace lan
