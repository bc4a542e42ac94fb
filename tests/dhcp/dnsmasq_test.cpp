// The client with dnsmasq, which many home and office LANs run.
#include <signal.h>

#include <fstream>
#include <sstream>

#include "netd/dhcp/client.h"
#include "tests/dhcp/lan.h"
#include "tests/dhcp/values.h"

namespace tests {
namespace {

using namespace netd::dhcp;
using namespace std::chrono_literals;
using Kind = Change::Kind;

class Dnsmasq : public LanTest {
 protected:
  void TearDown() override {
    stop();
    LanTest::TearDown();
  }

  /// Leases of two minutes, the least that it grants. It answers when this returns.
  static void start(
      const std::string& range = "192.0.2.50,192.0.2.60",
      const std::string& program = "ip netns exec server dnsmasq --no-ping --interface=eth0") {
    shell(program +
          " --conf-file=/dev/null --user=root --port=0 --bind-interfaces "
          "--dhcp-authoritative --domain=lan.example --dhcp-range=" +
          range +
          ",255.255.255.0,120 --dhcp-option=option:router,192.0.2.254 "
          "--dhcp-option=option:dns-server,192.0.2.53 --dhcp-option=option:mtu,1400 "
          "--dhcp-option=option:domain-search,eng.lan.example,lan.example "
          "--dhcp-option=option:classless-static-route,0.0.0.0/0,192.0.2.254,10.0.0.0/8,192.0.2.2 "
          "--dhcp-leasefile=/run/leases --pid-file=/run/dnsmasq.pid --log-facility=/run/log "
          "--log-dhcp");
  }
  static void stop() {
    std::ifstream file("/run/dnsmasq.pid");
    pid_t pid = 0;
    if (!(file >> pid)) return;
    kill(pid, SIGTERM);
    shell("while [ -e /proc/" + std::to_string(pid) + " ]; do :; done; rm -f /run/dnsmasq.pid");
  }
  static std::string leases() {
    std::ostringstream text;
    text << std::ifstream("/run/leases").rdbuf();
    return text.str();
  }
  /// As if it had been obtained so long ago.
  static Lease aged(Lease lease, std::chrono::seconds age) {
    lease.obtained -= age;
    return lease;
  }
};

TEST_F(Dnsmasq, GrantsALeaseWithAllThatItKnows) {
  start();
  const Lease granted = lease(request());
  EXPECT_TRUE(prefix("192.0.2.0/24").contains(granted.address));
  EXPECT_EQ(granted.address.length, 24);
  EXPECT_EQ(granted.server, ip("192.0.2.1"));
  EXPECT_EQ(granted.server_mac, mac(mac_of("server", "eth0")));
  EXPECT_EQ(granted.routers, std::vector{ip("192.0.2.254")});
  EXPECT_EQ(granted.routes, (std::vector<Route>{{prefix("10.0.0.0/8"), ip("192.0.2.2")}}));
  EXPECT_EQ(granted.dns, std::vector{ip("192.0.2.53")});
  EXPECT_EQ(granted.domain, "lan.example");
  EXPECT_EQ(granted.search, (std::vector<std::string>{"eng.lan.example", "lan.example"}));
  EXPECT_EQ(granted.mtu, 1400);
  EXPECT_EQ(granted.lifetime, 120s);
  EXPECT_EQ(granted.renew_after, 60s);
  EXPECT_EQ(granted.rebind_after, 105s);
}

TEST_F(Dnsmasq, GrantsTwoHundredLeasesAtOnce) {
  constexpr int count = 200;
  start("192.0.2.2,192.0.2.250");
  restart_client(Timing{});
  int granted = 0;
  std::string errors;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    Client::Request one = request();
    one.identity = {.mac = mac("02:42:c0:00:02:00"),
                    .client_id = client_id_of("lan/box" + std::to_string(i))};
    one.identity.mac.bytes[5] = static_cast<std::uint8_t>(i);
    client().acquire("box" + std::to_string(i), one, [&](const Client::Outcome& told) {
      granted += told.lease.has_value();
      errors += told.error;
    });
  }
  EXPECT_TRUE(eventually([&] { return granted == count; })) << granted << errors;
  // RFC 2131's first retry is after 3 to 5 s: nothing was lost.
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_LT(took, 3s) << took / 1ms << " ms; the server's socket:\n"
                      << shell("ip netns exec server grep Udp: /proc/net/snmp");
}

TEST_F(Dnsmasq, IsWaitedForWhileItAnswersOthers) {
  // It pings each address for three seconds before it offers it, and hears nobody meanwhile.
  start("192.0.2.50,192.0.2.60", "ip netns exec server dnsmasq --interface=eth0");
  restart_client(Timing{});
  int granted = 0;
  std::string errors;
  for (const char* name : {"first", "second"}) {
    Client::Request one = request();
    one.identity.mac = mac(name == std::string("first") ? endpoint_mac : "02:42:c0:00:02:98");
    one.identity.client_id = client_id_of(name);
    one.timeout = 4500ms;
    client().acquire(name, one, [&](const Client::Outcome& told) {
      granted += told.lease.has_value();
      errors += told.error;
    });
  }
  EXPECT_TRUE(eventually([&] { return granted == 2 || !errors.empty(); }));
  EXPECT_EQ(errors, "");
}

TEST_F(Dnsmasq, KnowsTheEndpointByNameAndIdentifierAndForgetsWhatIsReleased) {
  start();
  const Lease granted = lease(request());
  const std::string id = hex(client_id_of("lan/web"));
  std::string with_colons;
  for (std::size_t i = 0; i < id.size(); i += 2)
    with_colons += (i ? ":" : "") + id.substr(i, 2);
  EXPECT_TRUE(eventually([] { return !leases().empty(); }));
  EXPECT_NE(leases().find(std::string(endpoint_mac) + " " + granted.address.address.to_string() +
                          " web " + with_colons),
            std::string::npos)
      << leases();
  client().release("web");
  EXPECT_TRUE(eventually([] { return leases().empty(); })) << leases();
}

TEST_F(Dnsmasq, RenewsForAMacvlanEndpoint) {
  start();
  const Lease granted = lease(request());
  make_macvlan_endpoint(granted.address.to_string());
  client().keep("web", request(), aged(granted, 70s));
  EXPECT_GE(next_renewal().lease->obtained, granted.obtained);
}

TEST_F(Dnsmasq, RenewsForAnEndpointOnABridge) {
  start();
  make_bridge();
  const Lease granted = lease(request("br0"));
  make_bridge_endpoint(granted.address.to_string());
  shell("ip netns exec web busybox ping -c 1 -W 5 192.0.2.1");
  client().keep("web", request("br0"), aged(granted, 70s));
  next_renewal();
}

TEST_F(Dnsmasq, ServesABridgeOfItsOwnHost) {
  make_bridge();
  shell("ip address add 192.0.2.3/24 dev br0");
  start("192.0.2.50,192.0.2.60", "dnsmasq --no-ping --interface=br0");
  const Lease granted = lease(request("br0"));
  EXPECT_EQ(granted.server, ip("192.0.2.3"));
  make_bridge_endpoint(granted.address.to_string());
  client().keep("web", request("br0"), aged(granted, 70s));
  next_renewal();
  client().release("web");
  EXPECT_TRUE(eventually([] { return leases().empty(); })) << leases();
}

TEST_F(Dnsmasq, RebindsForAMacvlanEndpoint) {
  start();
  const Lease granted = lease(request());
  make_macvlan_endpoint(granted.address.to_string());
  client().keep("web", request(), aged(granted, 110s));
  EXPECT_EQ(next_change().kind, Kind::overdue);
  next_renewal();
}

TEST_F(Dnsmasq, GivesTheSameAddressToTheSameIdentifier) {
  start();
  const Lease first = lease(request());
  Client::Request anew = request();
  anew.identity.mac = mac("02:42:c0:00:02:99");  // the container was made anew
  EXPECT_EQ(lease(anew).address, first.address);
  Client::Request other = request();
  other.identity = {.mac = mac("02:42:c0:00:02:98"), .client_id = client_id_of("lan/db")};
  EXPECT_NE(acquire(other, "db").lease.value_or(first).address, first.address);
}

TEST_F(Dnsmasq, ConfirmsAFormerAddressAfterARestartOfBoth) {
  start();
  const Lease first = lease(request());
  stop();
  restart_client();
  start();
  Client::Request again = request();
  again.former = first.address.address;
  EXPECT_EQ(lease(again).address, first.address);
}

TEST_F(Dnsmasq, RefusesAnAddressOfAnotherNetwork) {
  start();
  Client::Request moved = request();
  moved.former = ip("198.51.100.7");
  EXPECT_TRUE(prefix("192.0.2.0/24").contains(lease(moved).address));
}

TEST_F(Dnsmasq, ChangesTheAddressWhenItsRangeChanged) {
  start();
  const Lease first = lease(request());
  stop();
  shell("rm /run/leases");
  start("192.0.2.150,192.0.2.160");
  client().keep("web", request(), aged(first, 70s));
  const Change lost = next_change();
  EXPECT_EQ(lost.kind, Kind::lost);
  EXPECT_NE(lost.reason.find("refused " + first.address.address.to_string()), std::string::npos)
      << lost.reason;
  const Change changed = next_change();
  EXPECT_EQ(changed.kind, Kind::changed);
  EXPECT_NE(changed.lease->address, first.address);
}

TEST_F(Dnsmasq, IsMissedWhenItIsDead) {
  start();
  const Lease first = lease(request());
  stop();
  Client::Request impatient = request();
  impatient.timeout = 700ms;
  EXPECT_EQ(acquire(impatient, "second").error, "no DHCP server answered on eth0 within 0.7 s");
  Lease nearly_over = aged(first, 100s);
  nearly_over.rebind_after = 90s;
  nearly_over.lifetime = 105s;
  client().keep("web", request(), nearly_over);
  EXPECT_EQ(next_change().kind, Kind::overdue);
  EXPECT_EQ(next_change().kind, Kind::lost);
  start();
  EXPECT_EQ(next_change().kind, Kind::changed);
}

TEST_F(Dnsmasq, DeclinedAddressesAreNotGrantedAgain) {
  start();
  const Lease first = lease(request());
  client().release("web");
  EXPECT_TRUE(eventually([] { return leases().empty(); }));
  shell("ip -n other address add " + first.address.to_string() + " dev eth0");
  Client::Request careful = request();
  careful.check = ProbeTiming::quick();
  EXPECT_NE(lease(careful).address, first.address);
}

}  // namespace
}  // namespace tests
