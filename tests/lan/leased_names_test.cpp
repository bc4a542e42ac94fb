// The DNS servers and domains of a DHCP lease, as a sandbox sees them: it resolves the LAN's names.
#include <gmock/gmock.h>

#include "tests/lan/lan.h"
#include "tests/support/dhcp_server.h"

namespace lan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The uplink's server, which the host's resolv.conf names, knows example.test; the router's knows
/// printer.lan.test.
class LeasedNames : public Lan {
 protected:
  void TearDown() override {
    stop_dnsmasq();
    Lan::TearDown();
  }
  static void start_server() {
    start_dnsmasq(
        "--no-ping --dhcp-range=192.168.7.50,192.168.7.59,255.255.255.0,120 --no-resolv --no-hosts "
        "--domain=lan.test --local=/lan.test/ --host-record=printer.lan.test,192.168.7.77 "
        "--dhcp-option=option:dns-server,192.168.7.1 --log-queries");
  }
  static void create_leased() {
    shell("netctl network create -d macvlan -o parent=lan0 --ipam-driver dhcp lan");
  }
  static std::string look_up(const std::string& sandbox, const std::string& name) {
    return in(sandbox, "dig +short +tries=1 +time=3 " + name);
  }
  /// A lease of so many seconds whose DNS server and domain are these.
  static tests::DhcpScript script(std::chrono::seconds lifetime, const char* server,
                                  std::string_view domain) {
    namespace option = netd::dhcp::option;
    const auto ip = [](const char* text) { return ipam::Address::parse(text).value(); };
    tests::DhcpScript script = tests::usual_script();
    script.answer.your_address = ip("192.168.7.60");
    script.answer.set(option::server, ip(router_address));
    script.answer.set(option::router, ip(router_address));
    script.answer.set(option::lease_time, lifetime);
    script.answer.set(option::dns_server, ip(server));
    script.answer.set(option::domain, domain);
    return script;
  }
};

TEST_F(LeasedNames, ASandboxResolvesTheNamesOfItsLan) {
  start_server();
  create_leased();
  create_sandbox("web");
  EXPECT_EQ(look_up("web", "printer.lan.test"), "192.168.7.77\n");
  EXPECT_THAT(in("web", "getent hosts printer"), HasSubstr("printer.lan.test"))
      << "by the lease's domain: " << in("web", "cat /etc/resolv.conf");
  EXPECT_THAT(shell("cat /run/dnsmasq.log"),
              HasSubstr("query[A] printer.lan.test from " + address_of("web", "lan")))
      << "the sandbox's own address asks";
  create_sandbox("client");
  EXPECT_EQ(look_up("client", "web"), address_of("web", "lan") + "\n") << "netd's names come first";
}

TEST_F(LeasedNames, TheUsersServerIsAskedInstead) {
  start_server();
  create_leased();
  shell("netctl sandbox create --network lan --dns 192.168.7.2 web");
  const e2e::NameServer own(netns("neighbour"), "mine.test", "198.51.100.9");
  EXPECT_EQ(look_up("web", "mine.test"), "198.51.100.9\n");
  EXPECT_EQ(look_up("web", "printer.lan.test"), "");
}

TEST_F(LeasedNames, BesideABridgeWithTheDefaultRouteTheLanIsStillAsked) {
  start_server();
  create_leased();
  shell(
      "netctl network create shop; "
      "netctl sandbox create --network lan --network shop:gw-priority=1 web");
  EXPECT_EQ(look_up("web", "printer.lan.test"), "192.168.7.77\n");
  shell("netctl network disconnect lan web");
  EXPECT_EQ(look_up("web", "printer.lan.test"), "");
  EXPECT_EQ(look_up("web", "example.test"), "198.51.100.7\n") << "the host's server";
  EXPECT_THAT(in("web", "cat /etc/resolv.conf"), Not(HasSubstr("lan.test")));
}

TEST_F(LeasedNames, TheyChangeAtARenewalAndSurviveRestartAndKill) {
  const e2e::NameServer first(netns("router"), "printer.one.test", "192.168.7.71");
  const e2e::NameServer second(netns("neighbour"), "printer.two.test", "192.168.7.72");
  tests::DhcpServer server("router", "eth0",
                           script(std::chrono::seconds(4), router_address, "one.test"));
  create_leased();
  create_sandbox("web");
  EXPECT_EQ(look_up("web", "printer.one.test"), "192.168.7.71\n");
  server.set(script(std::chrono::seconds(600), neighbour_address, "two.test"));
  EXPECT_TRUE(eventually([] {
    shell("sleep 0.1");
    return look_up("web", "printer.two.test") == "192.168.7.72\n";
  })) << netd_log();
  EXPECT_THAT(in("web", "cat /etc/resolv.conf"), HasSubstr("search two.test\n"));
  EXPECT_EQ(address_of("web", "lan"), "192.168.7.60");
  restart_netd();
  EXPECT_EQ(look_up("web", "printer.two.test"), "192.168.7.72\n");
  EXPECT_EQ(look_up("web", "printer.one.test"), "");
  crash_netd();
  start_netd();
  EXPECT_EQ(look_up("web", "printer.two.test"), "192.168.7.72\n");
  EXPECT_THAT(in("web", "cat /etc/resolv.conf"), HasSubstr("search two.test\n"));
}

}  // namespace
}  // namespace lan
