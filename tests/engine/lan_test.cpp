// An engine's containers as hosts of the LAN: macvlan networks of netd's through docker.
#include <gmock/gmock.h>

#include "tests/engine/engine.h"
#include "tests/lan/lan.h"
#include "tests/support/needs.h"

namespace engine {
namespace {

using ::testing::HasSubstr;

class EngineOnLan : public Engine {
 protected:
  void prepare_machine() override { lan::make_lan(); }
  static void create_lan(const std::string& options = "--gateway 192.168.7.1") {
    create_network("lan",
                   "-o io.netd.driver=macvlan -o parent=lan0 --subnet 192.168.7.0/24 "
                   "--ip-range 192.168.7.128/25 " +
                       options);
  }
  static std::string on_neighbour(const std::string& command) {
    return shell("ip netns exec neighbour " + command);
  }
};

TEST_F(EngineOnLan, ContainersAreHostsOfTheLan) {
  create_lan();
  run("web", "--network lan --ip 192.168.7.150 --mac-address 02:42:c0:a8:07:96");
  EXPECT_EQ(on_neighbour(e2e::fetch("http://192.168.7.150/")), "web");
  EXPECT_THAT(on_neighbour("ip neigh show 192.168.7.150"), HasSubstr("02:42:c0:a8:07:96"));
  EXPECT_THAT(in_container("web", "ip route"), HasSubstr("default via 192.168.7.1"));
  EXPECT_EQ(run_once("--network lan", "ping -c1 -W2 203.0.113.1").status, 0);
  EXPECT_EQ(run_once("--network lan", fetch_with_busybox("http://web/")).output, "web");
  // A sandbox of netd's beside them.
  shell("netctl sandbox create --network lan own");
  EXPECT_EQ(in("own", e2e::fetch("http://web/")), "web");
  EXPECT_THAT(shell("netctl topology"), HasSubstr("macvlan lan  lan0"));
  docker("restart -t 1 web");
  EXPECT_TRUE(soon([] {
    return attempt("ip netns exec neighbour " + e2e::fetch("http://192.168.7.150/")).output ==
           "web";
  }));
  expect_no_trace();
}

TEST_F(EngineOnLan, WithoutAGatewayEverythingIsOnTheLink) {
  create_lan("");
  run("web", "--network lan");
  EXPECT_THAT(in_container("web", "ip route"), HasSubstr("default dev eth0"));
  EXPECT_EQ(attempt("ip link show docker_gwbridge").status, 1);
  expect_no_trace();
}

TEST_F(EngineOnLan, HostAccessWorksForContainersToo) {
  create_lan("--gateway 192.168.7.1 -o io.netd.host_access=true");
  run("web", "--network lan --ip 192.168.7.150");
  EXPECT_EQ(shell(e2e::fetch("http://192.168.7.150/")), "web");
  EXPECT_EQ(run_once("--network lan", "ping -c1 -W2 192.168.7.10").status, 0);
  expect_no_trace();
}

TEST_F(EngineOnLan, ConnectAndDisconnect) {
  create_lan();
  create_network("shop", "--subnet 10.5.0.0/24");
  run("web", "--network shop -p 8080:80");
  docker("network connect --ip 192.168.7.150 lan web");
  EXPECT_EQ(on_neighbour(e2e::fetch("http://192.168.7.150/")), "web");
  docker("network disconnect lan web");
  EXPECT_TRUE(is_published("web"));
  docker("network connect --ip 192.168.7.150 lan web");
  EXPECT_EQ(on_neighbour(e2e::fetch("http://192.168.7.150/")), "web");
  expect_no_trace();
}

TEST_F(EngineOnLan, KillsOfBothSides) {
  create_lan();
  run("web", "--network lan --ip 192.168.7.150 --restart always");
  const auto is_there = [] {
    return attempt("ip netns exec neighbour " + e2e::fetch("http://192.168.7.150/")).output ==
           "web";
  };
  crash_netd();
  EXPECT_TRUE(is_there());
  start_netd();
  EXPECT_TRUE(is_there());
  kill_container("web");
  EXPECT_TRUE(soon(is_there));
  crash_engine();
  start_engine();
  EXPECT_TRUE(soon(is_there));
  expect_no_trace();
}

TEST_F(EngineOnLan, ABridgeOfOthersTakesContainersAndStays) {
  shell(
      "ip link add ext type bridge; ip address add 10.9.0.1/24 dev ext; ip link set ext up;"
      "ip link set lan0 master ext");
  create_network("ext",
                 "-o com.docker.network.bridge.name=ext -o io.netd.unmanaged=true --subnet "
                 "10.9.0.0/24 --gateway 10.9.0.1");
  run("web", "--network ext --ip 10.9.0.9");
  EXPECT_EQ(shell(e2e::fetch("http://10.9.0.9/")), "web");
  // dockerd has bridges ask iptables, and forwards nothing that no rule of somebody admits
  // (docs/docker.md).
  shell(
      "ip -n neighbour address add 10.9.0.2/24 dev eth0;"
      "iptables -I DOCKER-USER -i ext -o ext -j ACCEPT");
  EXPECT_EQ(on_neighbour(e2e::fetch("http://10.9.0.9/")), "web") << "it is on the bridge's LAN";
  docker("rm -f web");
  docker("network rm ext");
  EXPECT_THAT(shell("ip -o address show dev ext"), HasSubstr("10.9.0.1/24"));
  shell(
      "ip link set lan0 nomaster; ip link delete ext;"
      "iptables -D DOCKER-USER -i ext -o ext -j ACCEPT");
  expect_no_trace();
}

class EngineOnSharedMac : public EngineOnLan {
 protected:
  void SetUp() override {
    if (tests::lacks(tests::Feature::ipvlan) || tests::lacks(tests::Feature::vlan)) return;
    EngineOnLan::SetUp();
  }
  void prepare_machine() override {
    EngineOnLan::prepare_machine();
    shell(
        "ip -n neighbour link add link eth0 name eth0.42 type vlan id 42;"
        "ip -n neighbour address add 192.168.42.2/24 dev eth0.42;"
        "ip -n neighbour link set eth0.42 up");
  }
};

TEST_F(EngineOnSharedMac, ContainersAreOnIpvlanNetworksOfLanAndVlan) {
  if (IsSkipped() || HasFailure()) return;
  create_network("lan",
                 "-o io.netd.driver=ipvlan -o parent=lan0 --subnet 192.168.7.0/24 --ip-range "
                 "192.168.7.128/25 --gateway 192.168.7.1");
  create_network("tagged",
                 "-o io.netd.driver=ipvlan -o parent=lan0.42 --subnet 192.168.42.0/24 --gateway "
                 "192.168.42.1");
  run("web", "--network lan --ip 192.168.7.150");
  EXPECT_EQ(on_neighbour(e2e::fetch("http://192.168.7.150/")), "web");
  EXPECT_THAT(on_neighbour("ip neigh show 192.168.7.150"),
              HasSubstr(nlohmann::json::parse(shell("ip -j link show lan0"))
                            .at(0)
                            .at("address")
                            .get<std::string>()));
  EXPECT_THAT(in_container("web", "ip route"), HasSubstr("default via 192.168.7.1"));
  EXPECT_EQ(run_once("--network lan", fetch_with_busybox("http://web/")).output, "web");
  run("other", "--network tagged --ip 192.168.42.150");
  EXPECT_EQ(on_neighbour(e2e::fetch("http://192.168.42.150/")), "other");
  docker("rm -f other");
  docker("network rm tagged");
  EXPECT_TRUE(soon([] { return attempt("ip link show lan0.42").status != 0; }));
  expect_no_trace();
}

}  // namespace
}  // namespace engine
