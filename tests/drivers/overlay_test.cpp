// Golden plans of overlay networks, what they refuse, and the proof that each plan is all or
// nothing.
#include "drivers/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sandbox/transition.h"
#include "sandbox/vxlan_facts.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/fault_sweep.h"

namespace drivers {
namespace {

using ipam::Family;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Network shop() {
  Network network;
  network.id = "3f2a91c0d4e70000000000000000000000000000000000000000000000000000";
  network.name = "shop";
  network.driver = "overlay";
  network.pools = {{.subnet = *ipam::Prefix::parse("10.1.0.0/24")}};
  network.tunnel = Tunnel{.link = overlay_vxlan(0x1000),
                          .index = 0x10000001,
                          .mac = *ipam::Mac::parse("02:00:00:00:00:02"),
                          .vni = 0x1000,
                          .port = 4789,
                          .local = *ipam::Address::parse("192.0.2.1"),
                          .mtu = 1450};
  network.link_name = Overlay().link_name(network);
  network.link_index = 0x10000000;
  network.link_mac = *ipam::Mac::parse("02:00:00:00:00:01");
  return network;
}

Network with(const std::string& option, const std::string& value) {
  Network network = shop();
  network.options[option] = value;
  return network;
}

Endpoint web() {
  Endpoint endpoint;
  endpoint.id = "aa00000000000000000000000000000000000000000000000000000000000000";
  endpoint.host_link = "nvaa";
  endpoint.host_index = 0x10000002;
  endpoint.host_mac = *ipam::Mac::parse("02:00:00:00:00:03");
  endpoint.sandbox_link = "eth0";
  endpoint.sandbox_index = 0x10000003;
  endpoint.ipv4 = ipam::Prefix::parse("10.1.0.2/24");
  endpoint.mac = Overlay().default_mac(endpoint).value();
  return endpoint;
}

const Sandbox sandbox_web{.id = "web", .netns = "/ns/web"};

std::string refusal(const Network& network) {
  try {
    Overlay().check_network(network);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(OverlayPlan, ANetworkIsABridgeAndATunnel) {
  EXPECT_EQ(sandbox::to_text(Overlay().network_plan(shop())),
            "elements nets { 268435456 } internal { 268435456 } samebr { 268435456 . 268435456 } "
            "overlays { 268435456 }\n"
            "bridge nb001000 index 268435456 mac 02:00:00:00:00:01 bare\n"
            "link 268435456 alias \"netd:" +
                shop().id +
                "\" mtu 1450 ipv6-link-local off up\n"
                "vxlan nx001000 index 268435457 mac 02:00:00:00:00:02 mtu 1450 id 4096 port 4789 "
                "local 192.0.2.1\n"
                "link 268435457 alias \"netd:" +
                shop().id +
                "\" master 268435456 ipv6-link-local off\n"
                "bridge-port 268435457 isolated off hairpin off no-learning suppress-neighbours "
                "no-flood\n"
                "link 268435457 up\n");
}

TEST(OverlayPlan, FloodingLeavesTheFloodFlagsOn) {
  const auto port = [](const Network& network) {
    return sandbox::to_text(Overlay().network_plan(network)[5]);
  };
  EXPECT_EQ(port(with("io.netd.flood", "on")),
            "bridge-port 268435457 isolated off hairpin off no-learning suppress-neighbours");
  EXPECT_EQ(port(with("io.netd.flood", "off")), port(shop()));
}

TEST(OverlayPlan, BesideAnEngineItsFirewallLetsTheBridgeThrough) {
  Network network = shop();
  network.beside_engine = true;
  EXPECT_EQ(sandbox::to_text(Overlay().network_plan(network)),
            sandbox::to_text(Overlay().network_plan(shop())) + "admit forwarding nb001000\n");
}

TEST(OverlayDns, HasTheGatewayAddressWhereItIsWanted) {
  EXPECT_FALSE(Overlay().wants_gateway(shop(), Family::v4));
  EXPECT_FALSE(Overlay().dns_address(shop()));
  Network network = with("io.netd.gateway_dns", "true");
  EXPECT_TRUE(Overlay().wants_gateway(network, Family::v4));
  EXPECT_FALSE(Overlay().wants_gateway(network, Family::v6));
  network.pools[0].gateway = ipam::Address::parse("10.1.0.1");
  EXPECT_EQ(Overlay().dns_address(network), ipam::Address::parse("10.1.0.1"));
  EXPECT_FALSE(Overlay().gateway(network, web(), Family::v4)) << "no way out goes there";
  network.ipv4 = false;
  network.ipv6 = true;
  EXPECT_THAT(refusal(network), HasSubstr("io.netd.gateway_dns: the network has no IPv4 address"));
}

TEST(OverlayPlan, AnEndpointIsAVethOnALockedPort) {
  EXPECT_EQ(sandbox::to_text(Overlay().endpoint_plan(shop(), web(), sandbox_web)),
            "veth nvaa index 268435458 mac 02:00:00:00:00:03 mtu 1450 peer eth0 index 268435459 "
            "mac 02:42:0a:01:00:02 in /ns/web\n"
            "link 268435458 alias \"netd:" +
                web().id +
                "\" master 268435456 ipv6-link-local off up\n"
                "bridge-port 268435458 isolated off hairpin off no-learning locked\n"
                "fdb 02:42:0a:01:00:02 link 268435458\n"
                "address 10.1.0.2/24 link 268435459 in /ns/web\n"
                "link 268435459 ipv6-link-local off up in /ns/web\n");
}

TEST(OverlayPlan, AHandedOverEndpointIsThePortOnly) {
  const auto plan = Overlay().endpoint_plan(shop(), web(), {.handed_over = true});
  ASSERT_EQ(plan.size(), 4u);
  EXPECT_EQ(sandbox::to_text(plan.back()), "fdb 02:42:0a:01:00:02 link 268435458");
}

TEST(OverlayRoutes, OtherSubnetsAreOnTheLinkAndThereIsNoDefaultRoute) {
  Network network = shop();
  network.ipv6 = true;
  for (const char* subnet : {"10.2.0.0/24", "fd00:1::/64", "fd00:2::/64"})
    network.pools.push_back({.subnet = *ipam::Prefix::parse(subnet)});
  Endpoint endpoint = web();
  endpoint.ipv6 = ipam::Prefix::parse("fd00:2::2/64");
  EXPECT_THAT(Overlay().routes(network, endpoint),
              ElementsAre(StaticRoute{.destination = *ipam::Prefix::parse("10.2.0.0/24")},
                          StaticRoute{.destination = *ipam::Prefix::parse("fd00:1::/64")}));
  EXPECT_THAT(sandbox::to_text(Overlay().endpoint_plan(network, endpoint, sandbox_web)),
              HasSubstr("route 10.2.0.0/24 link 268435459 in /ns/web\n"));
  for (const Family family : {Family::v4, Family::v6})
    EXPECT_FALSE(Overlay().default_route(network, endpoint, family));
  EXPECT_FALSE(Overlay().publishes(network));
}

TEST(OverlayMac, IsMadeOfTheIpv4Address) {
  Endpoint endpoint = web();
  endpoint.ipv4 = ipam::Prefix::parse("172.30.255.254/16");
  EXPECT_EQ(Overlay().default_mac(endpoint)->to_string(), "02:42:ac:1e:ff:fe");
  endpoint.ipv4.reset();
  EXPECT_FALSE(Overlay().default_mac(endpoint));
}

TEST(OverlayOptions, AVniIsOneOrTheFirstOfAList) {
  EXPECT_FALSE(vni_option({}));
  EXPECT_EQ(vni_option({{"io.netd.vni", "5000"}}), 5000u);
  EXPECT_EQ(vni_option({{"com.docker.network.driver.overlay.vxlanid_list", "257,258"}}), 257u);
  EXPECT_THAT(
      Overlay().check_network(with("com.docker.network.driver.overlay.vxlanid_list", "257,258")),
      ElementsAre(HasSubstr("one VNI serves all subnets of the network: it gets 257")));
  EXPECT_THAT(Overlay().check_network(with("io.netd.vni", "5000")), IsEmpty());
}

TEST(OverlayOptions, WhatIsWrongIsSaid) {
  EXPECT_EQ(refusal(shop()), "");
  EXPECT_EQ(refusal(with("io.netd.vni", "16777216")),
            "failed to parse io.netd.vni value: 16777216 (a VNI is 1 to 16777215)");
  for (const char* bad : {"0", "x", "-1", "5 6"})
    EXPECT_THAT(refusal(with("io.netd.vni", bad)), HasSubstr("a VNI is 1 to")) << bad;
  EXPECT_THAT(refusal(with("encrypted", "perhaps")), HasSubstr("encrypted"));
  EXPECT_THAT(refusal(with("io.netd.flood", "often")), HasSubstr("io.netd.flood"));
  EXPECT_THAT(refusal(with("com.docker.network.driver.mtu", "9")), HasSubstr("mtu"));
  Network network = shop();
  network.pools.clear();
  EXPECT_EQ(refusal(network), "ipv4 pool is empty");
  network.tunnel.reset();
  EXPECT_EQ(Overlay().link_name(network), "");
  EXPECT_THROW(Overlay().network_plan(network), std::invalid_argument);
  EXPECT_THAT(Overlay().check_network(with("io.netd.vnis", "1")),
              ElementsAre(HasSubstr("io.netd.vni")));
}

TEST(OverlayOptions, EncryptedIsYesAlsoWithoutAValue) {
  for (const char* yes : {"", "true", "1"}) {
    EXPECT_EQ(refusal(with("encrypted", yes)), "") << yes;
    EXPECT_TRUE(overlay_is_encrypted({{"encrypted", yes}})) << yes;
  }
  EXPECT_FALSE(overlay_is_encrypted({{"encrypted", "false"}}));
  EXPECT_FALSE(overlay_is_encrypted({}));
}

TEST(OverlayMtu, LeavesRoomForEncryption) {
  EXPECT_EQ(overlay_mtu(with("encrypted", ""), 1500, Family::v4), 1390u);
  EXPECT_EQ(overlay_mtu(with("encrypted", ""), 1500, Family::v6), 1370u);
}

TEST(OverlayMtu, IsWhatFitsIntoThePacketsBetweenTheHosts) {
  EXPECT_EQ(overlay_mtu(shop(), 1500, Family::v4), 1450u);
  EXPECT_EQ(overlay_mtu(shop(), 9000, Family::v6), 8930u);
  EXPECT_EQ(overlay_mtu(with("com.docker.network.driver.mtu", "1400"), 1500, Family::v4), 1400u);
  const auto error = [](const Network& network, std::uint32_t underlay) {
    try {
      overlay_mtu(network, underlay, Family::v4);
    } catch (const std::invalid_argument& refused) {
      return std::string(refused.what());
    }
    return std::string();
  };
  EXPECT_THAT(error(with("com.docker.network.driver.mtu", "1500"), 1500),
              HasSubstr("packets between hosts have at most 1500 bytes, 50 of them for the tunnel; "
                        "give the network at most 1450"));
  Network network = shop();
  network.ipv6 = true;
  EXPECT_THAT(error(network, 1300), HasSubstr("an MTU of 1250 is too small for IPv6"));
  EXPECT_THAT(error(shop(), 40), HasSubstr("too small for IPv4"));
}

TEST(OverlayElements, LetTheHostsOfTheClusterIn) {
  EXPECT_EQ(sandbox::to_text(sandbox::Step(sandbox::AddElements{
                {tunnel_port(4789), tunnel_host(*ipam::Address::parse("192.0.2.2")),
                 tunnel_host(*ipam::Address::parse("2001:db8::2"))}})),
            "elements tunnels { 4789 } hosts4 { 192.0.2.2 } hosts6 { 2001:db8::2 }");
}

TEST(OverlayPlans, AreAllOrNothing) {
  tests::FakeKernel kernel;
  kernel.add_namespace("/ns/web");
  sandbox::Plan plan = Overlay().network_plan(shop());
  std::ranges::copy(Overlay().endpoint_plan(shop(), web(), sandbox_web), std::back_inserter(plan));
  EXPECT_EQ(tests::sweep(kernel, {}, plan), plan.size());
}

TEST(OverlayPlans, AnotherTunnelAddressMakesTheTunnelAgain) {
  tests::FakeKernel kernel;
  Network moved = shop();
  moved.tunnel->local = *ipam::Address::parse("192.0.2.9");
  EXPECT_EQ(tests::sweep(kernel, Overlay().network_plan(shop()), Overlay().network_plan(moved)),
            4u);
}

TEST(OverlayPlans, AnotherMacMakesAllOfThePortAgain) {
  tests::FakeKernel kernel;
  kernel.add_namespace("/ns/web");
  sandbox::transition(kernel, {}, Overlay().network_plan(shop()));
  Endpoint other = web();
  other.mac = *ipam::Mac::parse("02:00:00:00:00:99");
  EXPECT_EQ(tests::sweep(kernel, Overlay().endpoint_plan(shop(), web(), sandbox_web),
                         Overlay().endpoint_plan(shop(), other, sandbox_web)),
            6u);
}

TEST(OverlayRestore, WhatIsAsPlannedIsLeft) {
  tests::FakeKernel kernel;
  const sandbox::Plan plan = Overlay().network_plan(shop());
  sandbox::transition(kernel, {}, plan);
  EXPECT_EQ(to_text(sandbox::out_of_place(kernel, plan)), "");
}

TEST(OverlayRestore, AChangedTunnelIsReplacedWithoutTheBridge) {
  tests::FakeKernel kernel;
  const sandbox::Plan plan = Overlay().network_plan(shop());
  sandbox::transition(kernel, {}, plan);
  const std::string before = kernel.state();
  kernel.apply(sandbox::SetBridgePort{.index = shop().tunnel->index, .no_flood = true});
  const sandbox::Plan again = sandbox::out_of_place(kernel, plan);
  EXPECT_EQ(again, sandbox::Plan(plan.begin() + 3, plan.end()));
  sandbox::transition(kernel, again, {});
  sandbox::transition(kernel, {}, again);
  kernel.drain();
  EXPECT_EQ(kernel.state(), before);
}

TEST(OverlayRestore, AMissingBridgeTakesTheTunnelAlong) {
  tests::FakeKernel kernel;
  const sandbox::Plan plan = Overlay().network_plan(shop());
  sandbox::transition(kernel, {}, plan);
  kernel.remove_link("nb001000");
  EXPECT_EQ(sandbox::out_of_place(kernel, plan), sandbox::Plan(plan.begin() + 1, plan.end()));
}

}  // namespace
}  // namespace drivers
