// Golden plans of macvlan and ipvlan networks, what they refuse, and the proof that each plan is
// all or nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/ipvlan.h"
#include "drivers/macvlan.h"
#include "drivers/options.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/fault_sweep.h"

namespace drivers {
namespace {

using ipam::Family;
using testing::HasSubstr;

constexpr std::uint32_t parent_index = 7;

Network lan() {
  Network network;
  network.id = "3f2a91c0d4e70000000000000000000000000000000000000000000000000000";
  network.name = "lan";
  network.driver = "macvlan";
  network.options = {{"parent", "eth1"}};
  network.pools = {{.subnet = *ipam::Prefix::parse("192.168.7.0/24"),
                    .gateway = ipam::Address::parse("192.168.7.1")}};
  network.link_name = "eth1";
  network.link_index = parent_index;
  network.adopted_link = true;
  network.parent = Parent{.mtu = 1500};
  return network;
}

Network with(const std::string& option, const std::string& value) {
  Network network = lan();
  network.options[option] = value;
  return network;
}

HostAccess host_access() {
  return {.link = "nh3f2a91c0d4",
          .index = 0x10000005,
          .mac = *ipam::Mac::parse("02:00:00:00:00:05"),
          .addresses = {*ipam::Address::parse("192.168.7.200")},
          .host_addresses = {*ipam::Address::parse("192.168.7.10")}};
}

Endpoint web() {
  Endpoint endpoint;
  endpoint.id = "aa00000000000000000000000000000000000000000000000000000000000000";
  endpoint.sandbox_link = "eth0";
  endpoint.sandbox_index = 0x10000002;
  endpoint.mac = *ipam::Mac::parse("02:00:00:00:00:03");
  endpoint.ipv4 = ipam::Prefix::parse("192.168.7.20/24");
  return endpoint;
}

const Sandbox sandbox_web{.id = "web", .netns = "/ns/web"};

std::string refusal(const Driver& driver, const Network& network) {
  try {
    driver.check_network(network);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(MacvlanPlan, NetworkOnAParentThatWasThereIsNothing) {
  EXPECT_EQ(sandbox::to_text(Macvlan().network_plan(lan())), "");
}

TEST(MacvlanPlan, EndpointIsOneLinkBornInTheSandbox) {
  EXPECT_EQ(sandbox::to_text(Macvlan().endpoint_plan(lan(), web(), sandbox_web)),
            "macvlan eth0 index 268435458 mac 02:00:00:00:00:03 on 7 mode bridge in /ns/web\n"
            "link 268435458 alias \"netd:" +
                web().id +
                "\" in /ns/web\n"
                "address 192.168.7.20/24 link 268435458 in /ns/web\n"
                "link 268435458 ipv6-link-local off up in /ns/web\n");
}

TEST(MacvlanPlan, ModesMtuAndSources) {
  const auto first_step = [](Network network) {
    return sandbox::to_text(Macvlan().endpoint_plan(network, web(), sandbox_web).front());
  };
  for (const char* mode : {"bridge", "private", "vepa", "passthru"})
    EXPECT_THAT(first_step(with("macvlan_mode", mode)), HasSubstr(std::string(" mode ") + mode));
  EXPECT_THAT(first_step(with("com.docker.network.driver.mtu", "1400")), HasSubstr("mtu 1400"));
  Network network = with("macvlan_mode", "source");
  network.options["io.netd.macvlan_sources"] = "02:00:00:00:00:0a,02:00:00:00:00:0b";
  EXPECT_THAT(first_step(network),
              HasSubstr("mode source from 02:00:00:00:00:0a from 02:00:00:00:00:0b"));
}

TEST(MacvlanPlan, AVlanThatNetdMakes) {
  Network network = with("parent", "eth1.42");
  network.link_name = "eth1.42";
  network.adopted_link = false;
  network.link_index = 0x10000000;
  network.parent = Parent{.kind = "vlan", .base = parent_index, .vlan = 42};
  EXPECT_EQ(sandbox::to_text(Macvlan().network_plan(network)),
            "vlan eth1.42 index 268435456 on 7 id 42\n"
            "link 268435456 alias \"netd:vlan\" ipv6-link-local off up\n");
}

TEST(MacvlanPlan, WithoutAParentADummyOrAVethPairThatLeadsNowhere) {
  Network network = lan();
  network.options.clear();
  network.adopted_link = false;
  network.link_name = Macvlan().link_name(network);
  network.link_index = 0x10000000;
  network.parent = Parent{.kind = "dummy"};
  EXPECT_EQ(network.link_name, "dm-3f2a91c0d4e7");
  EXPECT_EQ(sandbox::to_text(Macvlan().network_plan(network)),
            "dummy dm-3f2a91c0d4e7 index 268435456\n"
            "link 268435456 alias \"netd:" +
                network.id + "\" ipv6-link-local off up\n");
  network.parent = Parent{.kind = "veth", .peer = 0x10000001};
  EXPECT_THAT(sandbox::to_text(Macvlan().network_plan(network)),
              HasSubstr("peer dp-3f2a91c0d4e7 index 268435457"));
}

TEST(MacvlanPlan, HostAccessIsALinkOfTheHostsAndRoutesBothWays) {
  Network network = with("io.netd.host_access", "true");
  network.parent->host_access = host_access();
  EXPECT_EQ(sandbox::to_text(Macvlan().network_plan(network)),
            "macvlan nh3f2a91c0d4 index 268435461 mac 02:00:00:00:00:05 on 7 mode bridge\n"
            "link 268435461 alias \"netd:" +
                network.id +
                "\" ipv6-link-local off up\n"
                "address 192.168.7.200/32 link 268435461\n");
  const std::string endpoint =
      sandbox::to_text(Macvlan().endpoint_plan(network, web(), sandbox_web));
  EXPECT_THAT(endpoint,
              HasSubstr("route 192.168.7.10/32 via 192.168.7.200 link 268435458 in /ns/web\n"));
  EXPECT_THAT(endpoint, HasSubstr("route 192.168.7.20/32 link 268435461\n"));
}

TEST(MacvlanPlan, AHandedOverLinkIsMadeInTheHostsNamespaceWithoutAddresses) {
  EXPECT_EQ(sandbox::to_text(Macvlan().endpoint_plan(lan(), web(), {.handed_over = true})),
            "macvlan eth0 index 268435458 mac 02:00:00:00:00:03 on 7 mode bridge\n"
            "link 268435458 alias \"netd:" +
                web().id + "\"\n");
}

TEST(MacvlanRoutes, ByTheGatewayOfItsOwnSubnetElseOnTheLink) {
  Network network = lan();
  network.pools.push_back({.subnet = *ipam::Prefix::parse("192.168.8.0/24")});
  Endpoint endpoint = web();
  EXPECT_EQ(Macvlan().default_route(network, endpoint, Family::v4)->gateway,
            ipam::Address::parse("192.168.7.1"));
  EXPECT_FALSE(Macvlan().default_route(network, endpoint, Family::v6));
  endpoint.ipv4 = ipam::Prefix::parse("192.168.8.20/24");
  const auto on_link = Macvlan().default_route(network, endpoint, Family::v4);
  ASSERT_TRUE(on_link);
  EXPECT_FALSE(on_link->gateway);
  network.internal = true;
  EXPECT_FALSE(Macvlan().default_route(network, endpoint, Family::v4));
}

TEST(MacvlanOptions, WhatIsWrongIsSaid) {
  const Macvlan driver;
  EXPECT_EQ(refusal(driver, with("macvlan_mode", "bridged")),
            "requested macvlan mode 'bridged' is not valid, 'bridge' mode is the macvlan driver "
            "default");
  EXPECT_EQ(refusal(driver, with("parent", "lo")),
            "loopback interface is not a valid macvlan parent link");
  EXPECT_THAT(refusal(driver, with("parent", "a/b")), HasSubstr("parent"));
  EXPECT_THAT(refusal(driver, with("macvlan_mode", "source")),
              HasSubstr("needs the MAC addresses"));
  EXPECT_THAT(refusal(driver, with("io.netd.macvlan_sources", "02:00:00:00:00:0a")),
              HasSubstr("macvlan_mode=source only"));
  Network network = with("macvlan_mode", "source");
  network.options["io.netd.macvlan_sources"] = "02:00,x";
  EXPECT_THAT(refusal(driver, network), HasSubstr("no MAC address"));
  network = with("macvlan_mode", "private");
  network.options["io.netd.host_access"] = "1";
  EXPECT_THAT(refusal(driver, network), HasSubstr("use mode bridge"));
  network = with("io.netd.host_access", "1");
  network.internal = true;
  EXPECT_THAT(refusal(driver, network), HasSubstr("no way to the host"));
  network = lan();
  network.pools.clear();
  EXPECT_EQ(refusal(driver, network), "ipv4 pool is empty");
  EXPECT_THAT(driver.check_network(with("macvlan_mod", "vepa")),
              testing::ElementsAre(HasSubstr("macvlan_mode")));
}

TEST(MacvlanOptions, PassthruIsForOne) {
  const Network network = with("macvlan_mode", "passthru");
  EXPECT_EQ(Macvlan().full(network, 0), "");
  EXPECT_THAT(Macvlan().full(network, 1), HasSubstr("one endpoint"));
  Network other = lan();
  other.name = "other";
  EXPECT_EQ(Macvlan().no_sharing(network, other),
            "cannot use mode passthru, macvlan network other is already using parent interface "
            "eth1");
  EXPECT_EQ(Macvlan().no_sharing(other, with("macvlan_mode", "passthru")),
            "macvlan network lan is already using parent interface eth1 in mode passthru");
  EXPECT_EQ(Macvlan().no_sharing(lan(), other), "");
}

TEST(VlanName, IsABaseAndAnId) {
  EXPECT_EQ(parse_vlan_name("eth0.10").base, "eth0");
  EXPECT_EQ(parse_vlan_name("bond0.1.4094").id, 4094);
  for (const char* bad : {"eth0", "eth0.", ".10", "eth0.0", "eth0.4095", "eth0.1x", "eth0.-1"})
    EXPECT_THROW(parse_vlan_name(bad), std::invalid_argument) << bad;
}

Network routed(const char* mode) {
  Network network = lan();
  network.driver = "ipvlan";
  network.options["ipvlan_mode"] = mode;
  return network;
}

TEST(IpvlanPlan, HasNoMacAndSaysModeAndFlag) {
  Endpoint endpoint = web();
  endpoint.mac = {};
  for (const char* mode : {"l2", "l3", "l3s"})
    EXPECT_EQ(sandbox::to_text(Ipvlan().endpoint_plan(routed(mode), endpoint, sandbox_web).front()),
              std::string("ipvlan eth0 index 268435458 on 7 mode ") + mode + " bridge in /ns/web");
  Network network = routed("l2");
  network.options["ipvlan_flag"] = "vepa";
  EXPECT_THAT(sandbox::to_text(Ipvlan().endpoint_plan(network, endpoint, sandbox_web).front()),
              HasSubstr("mode l2 vepa"));
  EXPECT_FALSE(Ipvlan().traits().has_mac);
}

TEST(IpvlanRoutes, AreOnTheLinkInL3) {
  EXPECT_TRUE(Ipvlan().default_route(routed("l2"), web(), Family::v4)->gateway);
  for (const char* mode : {"l3", "l3s"}) {
    const auto route = Ipvlan().default_route(routed(mode), web(), Family::v4);
    ASSERT_TRUE(route);
    EXPECT_FALSE(route->gateway) << mode;
  }
}

TEST(IpvlanOptions, WhatIsWrongIsSaid) {
  EXPECT_EQ(refusal(Ipvlan(), routed("l4")),
            "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default");
  Network network = routed("l2");
  network.options["ipvlan_flag"] = "open";
  EXPECT_THAT(refusal(Ipvlan(), network), HasSubstr("ipvlan flag 'open' is not valid"));
  network.options["ipvlan_flag"] = "private";
  network.options["io.netd.host_access"] = "1";
  EXPECT_THAT(refusal(Ipvlan(), network), HasSubstr("use bridge"));
  EXPECT_THAT(Ipvlan().no_sharing(routed("l2"), routed("l2")),
              HasSubstr("network lan is already using parent interface eth1"));
}

/// The kernel before: a parent, and the sandbox's namespace.
void prepare(tests::FakeKernel& kernel) {
  kernel.add_namespace("/ns/web");
  while (kernel.add_link("", "eth" + std::to_string(kernel.link_names("").size())) !=
         parent_index) {
  }
}

TEST(StackedPlans, AreAllOrNothing) {
  tests::FakeKernel kernel;
  prepare(kernel);
  Network network = with("io.netd.host_access", "true");
  network.parent->host_access = host_access();
  sandbox::Plan plan = Macvlan().network_plan(network);
  std::ranges::copy(Macvlan().endpoint_plan(network, web(), sandbox_web), std::back_inserter(plan));
  EXPECT_EQ(tests::sweep(kernel, {}, plan), plan.size());
}

TEST(StackedPlans, AnotherParentMakesAllOfTheEndpointAgain) {
  tests::FakeKernel kernel;
  prepare(kernel);
  Network moved = lan();
  moved.link_index = parent_index - 1;
  EXPECT_GE(tests::sweep(kernel, Macvlan().endpoint_plan(lan(), web(), sandbox_web),
                         Macvlan().endpoint_plan(moved, web(), sandbox_web)),
            4U);
}

}  // namespace
}  // namespace drivers
