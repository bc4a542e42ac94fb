// Addresses from the LAN's DHCP server, its router advertisements, and probes for addresses that
// somebody has already.
#include <gmock/gmock.h>

#include "tests/lan/lan.h"
#include "tests/support/dhcp_server.h"

namespace lan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Dhcp : public Lan {
 protected:
  void SetUp() override {
    config_ = R"({"plugin-timeout": 3})";
    Lan::SetUp();
    start_server();
  }
  void TearDown() override {
    stop_server();
    Lan::TearDown();
  }

  static void start_server(const std::string& range = "192.168.7.50,192.168.7.59") {
    start_dnsmasq("--port=0 --no-ping --dhcp-range=" + range +
                  ",255.255.255.0,120 --dhcp-option=option:classless-static-route,"
                  "0.0.0.0/0,192.168.7.1,10.66.0.0/16,192.168.7.2 "
                  "--enable-ra --dhcp-range=fd07::,ra-only --ra-param=eth0,4");
  }
  static void stop_server() { stop_dnsmasq(); }
  static std::string leases() { return shell("cat /run/leases"); }
  static void create_leased(const std::string& options = "-d macvlan -o parent=lan0") {
    shell("netctl network create --ipam-driver dhcp " + options + " lan");
  }
  static bool soon(const std::function<bool()>& holds) {
    return attempt("true").status == 0 && eventually([&] {
             shell("sleep 0.05");
             return holds();
           });
  }
};

TEST_F(Dhcp, AMacvlanSandboxHasWhatTheServerGives) {
  create_leased();
  create_sandbox("web");
  create_sandbox("client");
  EXPECT_THAT(address_of("web", "lan"), StartsWith("192.168.7.5"));
  const std::string routes = in("web", "ip route");
  EXPECT_THAT(routes, HasSubstr("default via 192.168.7.1 dev eth0"));
  EXPECT_THAT(routes, HasSubstr("10.66.0.0/16 via 192.168.7.2 dev eth0"));
  const e2e::WebServer web(netns_of("web"), 80, "page");
  EXPECT_EQ(on("neighbour", e2e::fetch("http://" + address_of("web", "lan") + "/")), "page");
  EXPECT_EQ(in("client", e2e::fetch("http://web/")), "page");
  EXPECT_TRUE(reaches("web", beyond_address));
  EXPECT_THAT(leases(), HasSubstr(address_of("web", "lan") + " web "));
  EXPECT_THAT(shell("netctl network inspect lan"), HasSubstr("\"dhcp\""));
  expect_agreement();
}

TEST_F(Dhcp, TheLeaseIsGivenBack) {
  create_leased();
  create_sandbox("web");
  create_sandbox("other");
  shell("netctl network disconnect lan other; netctl sandbox rm web");
  EXPECT_TRUE(soon([] { return leases().find("192.168.7.5") == std::string::npos; })) << leases();
  shell("netctl sandbox rm other; netctl network rm lan");
  expect_nothing_left();
}

TEST_F(Dhcp, TheSameNameFindsALeaseThatWasNotGivenBack) {
  create_leased();
  create_sandbox("web");
  const std::string address = address_of("web", "lan");
  stop_server();  // doesn't hear that the sandbox goes
  shell("netctl sandbox rm web");
  start_server();
  create_sandbox("other");
  create_sandbox("web");
  EXPECT_EQ(address_of("web", "lan"), address);
}

TEST_F(Dhcp, AnAddressThatIsAskedForIsAskedOfTheServer) {
  create_leased();
  create_sandbox("web", "lan:ip=192.168.7.57");
  EXPECT_EQ(address_of("web", "lan"), "192.168.7.57");
  const std::string before = shell("netctl network inspect lan");
  const auto result = attempt("netctl sandbox create --network lan:ip=192.168.7.200 other");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("not 192.168.7.200"));
  EXPECT_EQ(shell("netctl network inspect lan"), before);
}

TEST_F(Dhcp, AnUnmanagedBridgeToo) {
  shell(
      "ip link add br-lan type bridge; ip link set br-lan up; ip address flush dev lan0;"
      "ip link set lan0 master br-lan; ip address add 192.168.7.10/24 dev br-lan");
  create_leased("-o com.docker.network.bridge.name=br-lan -o io.netd.unmanaged=true");
  create_sandbox("web");
  EXPECT_THAT(address_of("web", "lan"), StartsWith("192.168.7.5"));
  EXPECT_TRUE(reaches("web", beyond_address));
  expect_agreement();
}

TEST_F(Dhcp, WithoutAServerTheErrorSaysSoAndNothingIsLeft) {
  stop_server();
  create_leased();
  const std::string before = shell("netctl network inspect lan; ip -o link show lan0");
  const auto result = attempt("netctl sandbox create --network lan web");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("no DHCP server answered on lan0"));
  EXPECT_EQ(shell("netctl network inspect lan; ip -o link show lan0"), before);
  EXPECT_EQ(shell("netctl sandbox ls -q"), "");
  start_server();
  create_sandbox("web");
}

TEST_F(Dhcp, OtherNetworksDontWaitForTheServer) {
  stop_server();
  create_leased();
  shell(
      "netctl sandbox create --network lan slow >/dev/null 2>&1 & "
      "netctl network create shop; timeout 2 netctl sandbox create --network shop quick; wait");
  EXPECT_THAT(shell("netctl sandbox ls"), HasSubstr("quick"));
}

TEST_F(Dhcp, ARestartAndAKillKeepTheAddress) {
  create_leased();
  create_sandbox("web");
  const std::string address = address_of("web", "lan");
  restart_netd();
  crash_netd();
  EXPECT_EQ(attempt_on("neighbour", ping(address)).status, 0);
  start_netd();
  EXPECT_EQ(address_of("web", "lan"), address);
  EXPECT_EQ(attempt_on("neighbour", ping(address)).status, 0);
  shell("netctl sandbox rm web");
  EXPECT_TRUE(soon([&] { return leases().find(address) == std::string::npos; })) << leases();
}

/// What the server says, for so many seconds.
tests::DhcpScript script(const char* address, std::chrono::seconds lifetime,
                         const char* router = router_address) {
  tests::DhcpScript script = tests::usual_script();
  namespace option = netd::dhcp::option;
  script.answer.your_address = ipam::Address::parse(address).value();
  script.answer.set(option::server, ipam::Address::parse(router_address).value());
  script.answer.set(option::router, ipam::Address::parse(router).value());
  script.answer.set(option::lease_time, lifetime);
  return script;
}

TEST_F(Dhcp, AServerThatTakesTheAddressBackGivesAnother) {
  stop_server();
  tests::DhcpServer server("router", "eth0", script("192.168.7.60", std::chrono::seconds(4)));
  create_leased();
  create_sandbox("web");
  create_network("", "own");
  create_sandbox("client", "own");
  EXPECT_EQ(address_of("web", "lan"), "192.168.7.60");
  tests::DhcpScript refusing = script("192.168.7.61", std::chrono::seconds(600));
  refusing.refusal = "no";
  server.set(refusing);
  server.await(netd::dhcp::Type::request);
  server.set(script("192.168.7.61", std::chrono::seconds(600)));
  EXPECT_TRUE(soon([] { return address_of("web", "lan") == "192.168.7.61"; })) << netd_log();
  EXPECT_THAT(in("web", "ip -4 address show eth0"), Not(HasSubstr("192.168.7.60")));
  EXPECT_THAT(in("web", "ip route"), HasSubstr("default via 192.168.7.1"));
  EXPECT_TRUE(reaches("web", neighbour_address));
  expect_agreement();
}

TEST_F(Dhcp, ARouterThatMovesIsFollowed) {
  stop_server();
  tests::DhcpServer server("router", "eth0", script("192.168.7.60", std::chrono::seconds(4)));
  create_leased();
  create_sandbox("web");
  server.set(script("192.168.7.60", std::chrono::seconds(600), neighbour_address));
  EXPECT_TRUE(soon([] {
    return in("web", "ip route").find("default via 192.168.7.2") != std::string::npos;
  })) << netd_log();
  EXPECT_EQ(address_of("web", "lan"), "192.168.7.60");
  restart_netd();
  EXPECT_THAT(in("web", "ip route"), HasSubstr("default via 192.168.7.2"));
}

TEST_F(Dhcp, WithoutRenewalTheAddressGoesWhenItsTimeIsOver) {
  stop_server();
  tests::DhcpServer server("router", "eth0", script("192.168.7.60", std::chrono::seconds(3)));
  create_leased();
  create_sandbox("web");
  tests::DhcpScript silent = script("192.168.7.60", std::chrono::seconds(3));
  silent.silent = true;
  server.set(silent);
  EXPECT_TRUE(soon([] {
    return in("web", "ip -4 address show eth0").find("192.168.7.60") == std::string::npos;
  })) << netd_log();
  EXPECT_THAT(netd_log(), HasSubstr("an address changed"));
  server.set(script("192.168.7.60", std::chrono::seconds(600)));
  EXPECT_TRUE(soon([] { return reaches("web", neighbour_address); })) << netd_log();
}

TEST_F(Dhcp, WhatItCantDoIsRefused) {
  const auto refusal = [](const std::string& options) {
    return attempt("netctl network create --ipam-driver dhcp " + options + " n").output;
  };
  EXPECT_THAT(refusal("-d macvlan -o parent=lan0 --subnet 10.9.0.0/24"),
              HasSubstr("leave them out"));
  EXPECT_THAT(refusal("-d macvlan"), HasSubstr("has no LAN"));
  EXPECT_THAT(refusal("-d ipvlan -o parent=lan0"), HasSubstr("macvlan networks"));
  EXPECT_THAT(refusal(""), HasSubstr("io.netd.unmanaged=true"));
  EXPECT_THAT(refusal("-d macvlan -o parent=lan0 --ipv6"), HasSubstr("io.netd.accept_ra"));
  EXPECT_THAT(shell("netctl network ls"), Not(HasSubstr("macvlan")));
}

TEST_F(Dhcp, RouterAdvertisementsAreAcceptedWhereAskedFor) {
  create_network("-o io.netd.accept_ra=true");
  create_sandbox("web");
  EXPECT_TRUE(soon([] {
    return in("web", "ip -6 address show eth0").find("fd07:") != std::string::npos &&
           in("web", "ip -6 route show default").find("proto ra") != std::string::npos;
  })) << in("web", "ip -6 address; ip -6 route");
  EXPECT_TRUE(reaches("web", "fd07::2"));
}

TEST_F(Dhcp, WithoutTheOptionNone) {
  create_network();
  create_sandbox("web");
  EXPECT_THAT(in("web", "cat /proc/sys/net/ipv6/conf/eth0/accept_ra"), StartsWith("0"));
}

class Conflicts : public Lan {};

TEST_F(Conflicts, AnAddressThatSomebodyHasIsRefused) {
  create_network("-o io.netd.detect_conflicts=true");
  const std::string mac = on("neighbour", "cat /sys/class/net/eth0/address | tr -d '\\n'");
  const std::string before = shell("netctl network inspect lan");
  const auto result = attempt("netctl sandbox create --network lan:ip=192.168.7.2 web");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("address 192.168.7.2 is used by " + mac));
  EXPECT_EQ(shell("netctl network inspect lan"), before);
  create_sandbox("web", "lan:ip=192.168.7.3");
  EXPECT_TRUE(reaches("web", neighbour_address));
}

TEST_F(Conflicts, ItIsPassedOverWhenNoneWasAskedFor) {
  shell(
      "netctl network create -d macvlan -o parent=lan0 -o io.netd.detect_conflicts=true "
      "--subnet 192.168.7.0/24 --gateway 192.168.7.1 --ip-range 192.168.7.0/30 lan");
  create_sandbox("web");
  EXPECT_EQ(address_of("web", "lan"), "192.168.7.3");
  EXPECT_EQ(attempt("netctl sandbox create --network lan other").status, 1);
}

}  // namespace
}  // namespace lan
