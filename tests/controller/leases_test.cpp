// What a DHCP lease says of names, in the sandbox that has it. The client itself: tests/dhcp.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "netd/dhcp/client.h"
#include "tests/controller/controller_fixture.h"

namespace tests {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = netd::dhcp::Change::Kind;

class Leases : public ControllerTest {
 protected:
  void SetUp() override {
    ControllerTest::SetUp();
    std::ofstream(config_.resolv_conf) << "nameserver 198.51.100.53\nsearch host.test\n";
    kernel_.add_link("", "eth1", "", {*ipam::Prefix::parse("192.168.7.10/24")});
    kernel_.add_link("", "eth2");
  }

  void create_lan(const std::string& name, const std::string& parent,
                  drivers::Options options = {}) {
    options["parent"] = parent;
    create_network(name,
                   {.driver = "macvlan", .ipam_driver = "dhcp", .options = std::move(options)});
  }
  static netd::dhcp::Lease lease(const char* address, const std::vector<const char*>& servers,
                                 const char* domain = "lan.test") {
    netd::dhcp::Lease lease{.address = *ipam::Prefix::parse(address), .domain = domain};
    for (const char* server : servers)
      lease.dns.push_back(*ipam::Address::parse(server));
    const auto subnet = static_cast<std::uint32_t>(lease.address.network().value());
    lease.server = lease.routers.emplace_back(ipam::Address::v4(subnet + 1));
    lease.lifetime = std::chrono::seconds(600);
    return lease;
  }
  void change(const std::string& network, const std::string& sandbox,
              const netd::dhcp::Change& change) {
    controller_->lease_changed(endpoint(network, sandbox).endpoint.id, change);
  }
  const dns::View& view(const std::string& sandbox) {
    return listeners_.views.at(controller_->sandbox(sandbox).sandbox->sandbox.id);
  }
  /// The upstream servers of a sandbox, and where they are asked from.
  std::string upstream(const std::string& sandbox) {
    const dns::View& seen = view(sandbox);
    std::string text = seen.forwarding == dns::Forwarding::sandbox ? "sandbox"
                       : seen.forwarding == dns::Forwarding::host  ? "host"
                                                                   : "none";
    for (const ipam::Address& server : seen.servers)
      text += " " + server.to_string();
    return text;
  }
  std::string resolv_conf(const std::string& sandbox) {
    const std::string id = controller_->sandbox(sandbox).sandbox->sandbox.id;
    std::ostringstream text;
    text << std::ifstream(controller_->file_of(id, "resolv.conf")).rdbuf();
    return text.str();
  }
};

TEST_F(Leases, TheServersOfALeaseAreAskedFromTheSandbox) {
  create_lan("lan", "eth1");
  create_sandbox("web", {"lan"});
  change("lan", "web",
         {.kind = Kind::changed, .lease = lease("192.168.7.50/24", {"192.168.7.53"})});
  EXPECT_EQ(upstream("web"), "sandbox 192.168.7.53");
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search lan.test\n"));
  EXPECT_THAT(resolv_conf("web"), HasSubstr("# ExtServers: [192.168.7.53]"));
}

TEST_F(Leases, TheyChangeWithTheLeaseAndSurviveARestart) {
  create_lan("lan", "eth1");
  create_sandbox("web", {"lan"});
  change("lan", "web",
         {.kind = Kind::changed, .lease = lease("192.168.7.50/24", {"192.168.7.53"})});
  netd::dhcp::Lease moved = lease("192.168.7.50/24", {"192.168.7.54", "192.168.7.55"}, "new.test");
  moved.search = {"a.test", "b.test"};
  change("lan", "web", {.kind = Kind::changed, .lease = moved});
  EXPECT_EQ(upstream("web"), "sandbox 192.168.7.54 192.168.7.55");
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search a.test b.test\n"));
  restart();
  EXPECT_EQ(upstream("web"), "sandbox 192.168.7.54 192.168.7.55");
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search a.test b.test\n"));
}

TEST_F(Leases, TheyGoWithTheLeaseAndWithTheEndpoint) {
  create_lan("lan", "eth1");
  create_network("shop");
  create_sandbox("web", {"lan", "shop"});
  const std::string before = upstream("web");
  EXPECT_EQ(before, "host 198.51.100.53");
  const netd::dhcp::Change granted{.kind = Kind::changed,
                                   .lease = lease("192.168.7.50/24", {"192.168.7.53"})};
  change("lan", "web", granted);
  EXPECT_EQ(upstream("web"), "sandbox 192.168.7.53");
  change("lan", "web", {.kind = Kind::lost, .reason = "a test"});
  EXPECT_EQ(upstream("web"), before);
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search host.test\n"));
  change("lan", "web", granted);
  controller_->disconnect("lan", "web", false);
  EXPECT_EQ(upstream("web"), before);
  EXPECT_THAT(resolv_conf("web"), Not(HasSubstr("lan.test")));
}

TEST_F(Leases, TheLanWithTheDefaultRouteComesFirst) {
  create_lan("a", "eth1", {{"io.netd.no_default_route", "true"}});
  create_lan("b", "eth2");
  create_network("shop");
  create_sandbox("web", {"a", "b", "shop"});
  change("a", "web",
         {.kind = Kind::changed,
          .lease = lease("192.168.7.50/24", {"192.168.7.53", "192.168.7.54"}, "a.test")});
  change("b", "web",
         {.kind = Kind::changed,
          .lease = lease("192.168.8.50/24", {"192.168.8.53", "192.168.7.53"}, "b.test")});
  EXPECT_EQ(upstream("web"), "sandbox 192.168.8.53 192.168.7.53 192.168.7.54");
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search b.test a.test\n"));
}

TEST_F(Leases, WhatTheUserNamedIsAskedInstead) {
  create_lan("lan", "eth1");
  create_sandbox("web", {"lan"},
                 {.dns = {*ipam::Address::parse("9.9.9.9")}, .dns_search = {"mine.test"}});
  const netd::dhcp::Change granted{.kind = Kind::changed,
                                   .lease = lease("192.168.7.50/24", {"192.168.7.53"})};
  change("lan", "web", granted);
  EXPECT_EQ(upstream("web"), "sandbox 9.9.9.9");
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search mine.test\n"));
  config_.dns = {*ipam::Address::parse("9.9.9.10")};
  create_sandbox("other", {"lan"});
  change("lan", "other", granted);
  EXPECT_EQ(upstream("other"), "sandbox 9.9.9.10") << "the daemon's --dns";
}

TEST_F(Leases, ALeaseThatNamesNoServerLeavesTheHosts) {
  create_lan("lan", "eth1");
  create_sandbox("web", {"lan"});
  change("lan", "web", {.kind = Kind::changed, .lease = lease("192.168.7.50/24", {}, "")});
  EXPECT_EQ(upstream("web"), "host 198.51.100.53");
  EXPECT_THAT(resolv_conf("web"), HasSubstr("search host.test\n"));
}

}  // namespace
}  // namespace tests
