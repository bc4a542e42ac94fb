// Bridges on a LAN: somebody else's that netd only adds ports to, and the options about routes.
#include <gmock/gmock.h>

#include "tests/lan/lan.h"

namespace lan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LanBridge : public Lan {
 protected:
  void prepare_machine() override {
    Lan::prepare_machine();
    shell(
        "ip link add br-lan type bridge; ip link set br-lan up; ip address flush dev lan0;"
        "ip link set lan0 master br-lan; ip address add 192.168.7.10/24 dev br-lan");
  }
  static constexpr const char* unmanaged =
      "netctl network create -o com.docker.network.bridge.name=br-lan -o io.netd.unmanaged=true "
      "--subnet 192.168.7.0/24 --ip-range 192.168.7.128/25 --gateway 192.168.7.1 ";
};

TEST_F(LanBridge, OfSomebodyElseGetsPortsAndNothingElse) {
  const auto bridge = [] {
    return shell("ip -4 address show br-lan; ip route show dev br-lan; bridge link show") +
           shell("nft list table inet netd | grep -c br-lan || true");
  };
  const std::string before = bridge();
  shell(std::string(unmanaged) + "lan");
  create_sandbox("web", "lan:ip=192.168.7.150");
  create_sandbox("client");
  const e2e::WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(on("neighbour", e2e::fetch("http://192.168.7.150/")), "page");
  EXPECT_EQ(shell(e2e::fetch("http://192.168.7.150/")), "page");
  EXPECT_EQ(in("client", e2e::fetch("http://web/")), "page");
  EXPECT_TRUE(reaches("client", beyond_address));
  expect_agreement();
  shell("netctl sandbox rm web; netctl sandbox rm client; netctl network rm lan");
  EXPECT_TRUE(eventually([&] { return bridge() == before; })) << bridge() << before;
}

TEST_F(LanBridge, HasToBeThere) {
  const auto result = attempt(
      "netctl network create -o com.docker.network.bridge.name=br-nix -o io.netd.unmanaged=true "
      "--subnet 10.9.0.0/24 n");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("in unmanaged mode, the bridge must already exist"));
  EXPECT_THAT(
      attempt("netctl network create -o io.netd.unmanaged=true --subnet 10.9.0.0/24 n").output,
      HasSubstr("needs the name of an existing bridge"));
}

TEST_F(LanBridge, IgnoresPublishedPortsWithAWarning) {
  shell(std::string(unmanaged) + "lan");
  shell("netctl sandbox create --network lan -p 8080:80 web");
  EXPECT_THAT(netd_log(), HasSubstr("published ports are ignored"));
}

TEST_F(LanBridge, AnExistingBridgeThatTellsNoVlansApartIsRefusedOne) {
  const auto result = attempt(std::string(unmanaged) + "-o io.netd.vlan=42 lan");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("vlan_filtering 1"));
}

TEST_F(LanBridge, RoutesOfTheNetworksOptions) {
  shell(
      "netctl network create --subnet 10.5.0.0/24 -o io.netd.metric=300 "
      "-o 'io.netd.routes=10.9.0.0/16 via 10.5.0.9 metric 20,blackhole 10.66.0.0/16' shop");
  create_sandbox("web", "shop");
  const std::string routes = in("web", "ip route");
  EXPECT_THAT(routes, HasSubstr("default via 10.5.0.1 dev eth0 proto static metric 300"));
  EXPECT_THAT(routes, HasSubstr("10.9.0.0/16 via 10.5.0.9 dev eth0 proto static metric 20"));
  EXPECT_THAT(routes, HasSubstr("blackhole 10.66.0.0/16"));
  shell("netctl network disconnect shop web; netctl network connect --ip 10.5.0.2 shop web");
  EXPECT_EQ(in("web", "ip route"), routes);
  restart_netd();
  EXPECT_EQ(in("web", "ip route"), routes);
}

TEST_F(LanBridge, NoDefaultRouteLeavesItToTheOthers) {
  shell(
      "netctl network create --subnet 10.5.0.0/24 -o io.netd.no_default_route=true inner;"
      "netctl network create --subnet 10.6.0.0/24 outer;"
      "netctl sandbox create --network inner:gw-priority=9 --network outer web;"
      "netctl sandbox create --network inner alone");
  EXPECT_THAT(in("web", "ip route"), HasSubstr("default via 10.6.0.1"));
  EXPECT_THAT(in("alone", "ip route"), Not(HasSubstr("default")));
}

TEST_F(LanBridge, TheHostsEndHasTheNameThatIsAskedFor) {
  shell(
      "netctl network create shop; "
      "netctl sandbox create --network shop:opt=io.netd.host_interface_name=veth-web web");
  EXPECT_THAT(shell("ip -o link show veth-web"), HasSubstr("master br-"));
  const auto second = attempt(
      "netctl sandbox create --network shop:opt=io.netd.host_interface_name=veth-web other");
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.output, HasSubstr("the host has an interface veth-web already"));
  shell("netctl network create -d macvlan -o parent=uplink --subnet 10.9.0.0/24 mac");
  EXPECT_THAT(
      attempt("netctl sandbox create --network mac:opt=io.netd.host_interface_name=x third").output,
      HasSubstr("have no interface on the host"));
}

}  // namespace
}  // namespace lan
