// The client on a LAN with a scripted server: real frames, short times.
#include "netd/dhcp/client.h"

#include "tests/dhcp/lan.h"
#include "tests/dhcp/values.h"
#include "tests/support/dhcp_server.h"

namespace tests {
namespace {

using namespace netd::dhcp;
using namespace std::chrono_literals;
using Kind = Change::Kind;

class DhcpClient : public LanTest {
 protected:
  /// T1 after one second, T2 after two, the end after four.
  static DhcpScript short_script() {
    DhcpScript script = usual_script();
    script.answer.set(option::lease_time, 4s);
    script.answer.set(option::renewal_time, 1s);
    script.answer.set(option::rebinding_time, 2s);
    return script;
  }
  static std::size_t packet_sockets() {
    const std::string all = shell("tail -n +2 /proc/net/packet");
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n'));
  }
  static bool is_promiscuous(const std::string& link) {
    return shell("ip -d link show " + link).find("promiscuity 0 ") == std::string::npos;
  }
};

TEST_F(DhcpClient, LeasesAnAddressForAnEndpointThatDoesNotExistYet) {
  DhcpServer server("server", "eth0");
  EXPECT_EQ(lease(request()).address, prefix("192.0.2.7/24"));
  const auto discover = server.await(Type::discover);
  EXPECT_EQ(discover.datagram.from, mac(endpoint_mac));
  EXPECT_TRUE(discover.message.broadcast);
  EXPECT_EQ(discover.message.mac, mac(endpoint_mac));
  EXPECT_EQ(discover.message.text(option::hostname), "web");
  EXPECT_EQ(discover.message.options.at(option::client_id), client_id_of("lan/web"));
}

TEST_F(DhcpClient, TakesAnswersToTheMac) {
  DhcpScript script = usual_script();
  script.to_mac = true;
  DhcpServer server("server", "eth0", script);
  lease(request());
}

TEST_F(DhcpClient, TakesAnswersToTheMacOnABridge) {
  DhcpScript script = usual_script();
  script.to_mac = true;
  DhcpServer server("server", "eth0", script);
  make_bridge();
  lease(request("br0"));
  EXPECT_FALSE(is_promiscuous("br0"));
}

TEST_F(DhcpClient, RenewsForAMacvlanEndpoint) {
  DhcpServer server("server", "eth0", short_script());
  const Lease first = lease(request());
  make_macvlan_endpoint("192.0.2.7/24");
  server.await(Type::request);
  EXPECT_GT(next_renewal().lease->obtained, first.obtained);
  const auto renewal = server.await(Type::request);
  EXPECT_EQ(renewal.message.client_address, ip("192.0.2.7"));
  EXPECT_EQ(renewal.datagram.source, ip("192.0.2.7"));
  EXPECT_EQ(renewal.datagram.destination, ip("192.0.2.1"));
  EXPECT_EQ(renewal.datagram.to, mac(mac_of("server", "eth0")));
  next_renewal();
}

TEST_F(DhcpClient, RenewsForAnEndpointOnABridge) {
  DhcpServer server("server", "eth0", short_script());
  make_bridge();
  lease(request("br0"));
  make_bridge_endpoint("192.0.2.7/24");
  shell("ip netns exec web busybox ping -c 1 -W 5 192.0.2.1");  // the bridge learns where the
                                                                // endpoint is
  next_renewal();
  next_renewal();
  shell("ip netns exec web busybox ping -c 1 -W 5 192.0.2.1");
}

TEST_F(DhcpClient, SaysThatNobodyAnswers) {
  Client::Request impatient = request();
  impatient.timeout = 500ms;
  EXPECT_EQ(acquire(impatient).error, "no DHCP server answered on eth0 within 0.5 s");
}

TEST_F(DhcpClient, SaysWhyAServerRefuses) {
  DhcpScript script = usual_script();
  script.refusal = "no leases left";
  DhcpServer server("server", "eth0", script);
  Client::Request impatient = request();
  impatient.timeout = 1s;
  EXPECT_EQ(acquire(impatient).error,
            "no DHCP lease on eth0 within 1 s: the DHCP server 192.0.2.1 refused 192.0.2.7 (no "
            "leases left)");
}

TEST_F(DhcpClient, SaysAtOnceWhatIsWrongWithTheInterface) {
  Client::Request patient = request("eth9");
  patient.timeout = 1h;
  EXPECT_EQ(acquire(patient).error, "find interface eth9: No such device");
  shell("ip link set eth0 down");
  patient.interface = "eth0";
  EXPECT_EQ(acquire(patient).error, "send on eth0: Network is down");
  patient.interface = "lo";
  EXPECT_FALSE(acquire(patient).lease);
}

TEST_F(DhcpClient, AsksForItsFormerAddress) {
  DhcpServer server("server", "eth0");
  Client::Request again = request();
  again.former = ip("192.0.2.7");
  lease(again);
  const auto reboot = server.await(Type::request);
  EXPECT_EQ(reboot.message.address(option::requested_address), ip("192.0.2.7"));
  EXPECT_FALSE(reboot.message.address(option::server));
  EXPECT_FALSE(server.heard(Type::discover));
}

TEST_F(DhcpClient, TellsThatTheServerChangedItsAnswer) {
  DhcpServer server("server", "eth0", short_script());
  lease(request());
  DhcpScript other = short_script();
  other.answer.set(option::dns_server, ip("192.0.2.53"));
  server.set(other);
  const Change change = next_change();
  EXPECT_EQ(change.kind, Kind::changed);
  EXPECT_EQ(change.lease->dns, std::vector{ip("192.0.2.53")});
  other.answer.your_address = ip("192.0.2.8");
  server.set(other);
  EXPECT_EQ(next_change().lease->address, prefix("192.0.2.8/24"));
}

TEST_F(DhcpClient, TellsThatTheServerIsSilentThenThatTheLeaseIsLost) {
  DhcpServer server("server", "eth0", short_script());
  lease(request());
  DhcpScript silent = short_script();
  silent.silent = true;
  server.set(silent);
  Change change = next_change();
  EXPECT_EQ(change.kind, Kind::overdue);
  EXPECT_EQ(change.reason,
            "the DHCP server 192.0.2.1 doesn't renew the lease of 192.0.2.7; asking all servers");
  change = next_change();
  EXPECT_EQ(change.kind, Kind::lost);
  server.set(short_script());
  change = next_change();
  EXPECT_EQ(change.kind, Kind::changed);
  EXPECT_EQ(change.lease->address, prefix("192.0.2.7/24"));
}

TEST_F(DhcpClient, LosesTheLeaseThatTheServerRefusesToRenew) {
  DhcpServer server("server", "eth0", short_script());
  lease(request());
  DhcpScript other = short_script();
  other.refusal = "moved";
  server.set(other);
  const Change change = next_change();
  EXPECT_EQ(change.kind, Kind::lost);
  EXPECT_EQ(change.reason, "the DHCP server 192.0.2.1 refused 192.0.2.7 (moved)");
}

TEST_F(DhcpClient, GivesTheLeaseBack) {
  DhcpServer server("server", "eth0");
  lease(request());
  client().release("web");
  const auto release = server.await(Type::release);
  EXPECT_EQ(release.message.client_address, ip("192.0.2.7"));
  EXPECT_EQ(release.datagram.destination, ip("192.0.2.1"));
  client().release("web");
}

TEST_F(DhcpClient, GoesOnAfterARestartWithoutAWordToTheServer) {
  DhcpServer server("server", "eth0", short_script());
  const Lease first = lease(request());
  server.await(Type::request);
  restart_client();
  client().keep("web", request(), first);
  EXPECT_GT(next_renewal().lease->obtained, first.obtained);
  EXPECT_FALSE(server.heard(Type::release));
}

TEST_F(DhcpClient, DeclinesAnAddressThatANeighbourUses) {
  shell("ip -n other address add 192.0.2.7/24 dev eth0");
  DhcpServer server("server", "eth0");
  std::optional<Client::Outcome> outcome;
  Client::Request careful = request();
  careful.check = ProbeTiming::quick();
  client().acquire("web", careful, [&](const Client::Outcome& told) { outcome = told; });
  EXPECT_EQ(server.await(Type::decline).message.address(option::requested_address),
            ip("192.0.2.7"));
  DhcpScript other = usual_script();
  other.answer.your_address = ip("192.0.2.8");
  server.set(other);
  ASSERT_TRUE(eventually([&] { return outcome.has_value(); }));
  ASSERT_TRUE(outcome->lease) << outcome->error;
  EXPECT_EQ(outcome->lease->address, prefix("192.0.2.8/24"));
}

TEST_F(DhcpClient, SaysWhoUsesTheAddress) {
  shell("ip -n other address add 192.0.2.7/24 dev eth0");
  DhcpServer server("server", "eth0");
  Client::Request careful = request();
  careful.check = ProbeTiming::quick();
  careful.timeout = 1s;
  EXPECT_EQ(acquire(careful).error,
            "no DHCP lease on eth0 within 1 s: the DHCP server 192.0.2.1 granted 192.0.2.7, but " +
                mac_of("other", "eth0") + " uses it");
}

TEST_F(DhcpClient, HearsNothingOfOtherVlans) {
  DhcpScript tagged = usual_script();
  tagged.vlan = 42;
  DhcpServer server("server", "eth0", tagged);
  Client::Request impatient = request();
  impatient.timeout = 500ms;
  EXPECT_FALSE(acquire(impatient).lease);
  tagged.vlan = 0;  // a priority tag
  server.set(tagged);
  EXPECT_TRUE(acquire(request()).lease);
}

TEST_F(DhcpClient, SurvivesAParentThatGoesAndComesBack) {
  DhcpServer server("server", "eth0", short_script());
  lease(request());
  shell("ip link del eth0");
  const Change change = next_change();
  EXPECT_EQ(change.kind, Kind::overdue);
  EXPECT_NE(change.reason.find("find interface eth0: No such device"), std::string::npos)
      << change.reason;
  shell(R"(ip link add eth0 type veth peer name p-host netns lan
    ip -n lan link set p-host master lan0 up; ip link set eth0 up)");
  next_renewal();
}

TEST_F(DhcpClient, ManyLeasesShareASocketThatIsClosedWhenNobodyAsks) {
  DhcpServer server("server", "eth0");
  std::size_t leases = 0;
  for (int i = 0; i < 50; ++i) {
    Client::Request one = request();
    one.identity.mac = ipam::Mac::local(static_cast<std::uint64_t>(i) + 1);
    client().acquire("web" + std::to_string(i), one, [&](const Client::Outcome& told) {
      if (told.lease) ++leases;
    });
  }
  EXPECT_TRUE(eventually([&] { return leases == 50; })) << leases;
  EXPECT_EQ(packet_sockets(), 1u);
  EXPECT_TRUE(eventually([] { return packet_sockets() == 0; }));
}

TEST_F(DhcpClient, SaysNothingAfterARelease) {
  DhcpServer server("server", "eth0");
  bool told = false;
  client().acquire("web", request(), [&](const Client::Outcome&) { told = true; });
  server.await(Type::request);
  client().release("web");
  server.await(Type::release);
  EXPECT_TRUE(acquire(request(), "other").lease);
  EXPECT_FALSE(told);
}

TEST_F(DhcpClient, ProbesForAnyAddress) {
  const auto probe = [&](const std::string& interface, const std::string& address) {
    std::optional<ProbeOutcome> outcome;
    const ProbeTask task{.interface = interface,
                         .address = ip(address),
                         .mac = mac(endpoint_mac),
                         .timing = ProbeTiming::quick()};
    client().probe(task, [&](const ProbeOutcome& told) { outcome = told; });
    EXPECT_TRUE(eventually([&] { return outcome.has_value(); }));
    return outcome.value_or(ProbeOutcome{});
  };
  EXPECT_TRUE(probe("eth0", "192.0.2.50").is_free());
  EXPECT_EQ(probe("eth0", "192.0.2.99").taken_by, mac(mac_of("other", "eth0")));
  EXPECT_EQ(probe("eth9", "192.0.2.99").error, "find interface eth9: No such device");
  make_bridge();
  EXPECT_TRUE(probe("br0", "192.0.2.50").is_free());
  EXPECT_TRUE(probe("br0", "192.0.2.99").taken_by);
}

}  // namespace
}  // namespace tests
