// Golden plans: what the bridge driver asks of the kernel, option by option, and the proof that
// each of them is all or nothing.
#include "drivers/bridge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/options.h"
#include "drivers/sandbox_plan.h"
#include "tests/support/fake_kernel.h"
#include "tests/support/fault_sweep.h"

namespace drivers {
namespace {

using ipam::Family;

Network shop() {
  Network network;
  network.id = "3f2a91c0d4e70000000000000000000000000000000000000000000000000000";
  network.name = "shop";
  network.pools = {
      {.subnet = *ipam::Prefix::parse("10.5.0.0/24"), .gateway = ipam::Address::parse("10.5.0.1")}};
  network.link_name = "br-3f2a91c0d4e7";
  network.link_index = 0x10000000;
  network.link_mac = *ipam::Mac::parse("02:00:00:00:00:01");
  return network;
}

Network dual_stack() {
  Network network = shop();
  network.ipv6 = true;
  network.pools.push_back({.subnet = *ipam::Prefix::parse("fd00:5::/64"),
                           .gateway = ipam::Address::parse("fd00:5::1")});
  return network;
}

Endpoint web() {
  Endpoint endpoint;
  endpoint.id = "aa00000000000000000000000000000000000000000000000000000000000000";
  endpoint.host_link = "nvaa00000000";
  endpoint.sandbox_link = "eth0";
  endpoint.host_index = 0x10000001;
  endpoint.sandbox_index = 0x10000002;
  endpoint.host_mac = *ipam::Mac::parse("02:00:00:00:00:02");
  endpoint.mac = *ipam::Mac::parse("02:00:00:00:00:03");
  endpoint.ipv4 = ipam::Prefix::parse("10.5.0.2/24");
  return endpoint;
}

const Sandbox sandbox_web{.id = "web", .netns = "/run/netd/netns/web"};

void set(Options& options, std::string_view key, const char* value) {
  options[std::string(key)] = value;
}

std::string network_text(const Network& network) {
  return sandbox::to_text(Bridge({}).network_plan(network));
}

std::string endpoint_text(const Network& network, const Endpoint& endpoint) {
  return sandbox::to_text(Bridge({}).endpoint_plan(network, endpoint, sandbox_web));
}

std::string refusal(const Network& network) {
  try {
    Bridge({}).check_network(network);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(BridgePlan, OfAPlainNetwork) {
  EXPECT_EQ(network_text(shop()), R"(bridge br-3f2a91c0d4e7 index 268435456 mac 02:00:00:00:00:01
link 268435456 alias "netd:3f2a91c0d4e70000000000000000000000000000000000000000000000000000" ipv6-link-local off up
address 10.5.0.1/24 link 268435456
host-sysctl net/ipv4/ip_forward = 1
elements nets { 268435456 } samebr { 268435456 . 268435456 } masq { 268435456 }
)");
}

TEST(BridgePlan, OfADualStackNetwork) {
  EXPECT_EQ(network_text(dual_stack()),
            R"(bridge br-3f2a91c0d4e7 index 268435456 mac 02:00:00:00:00:01
sysctl net/ipv6/conf/br-3f2a91c0d4e7/accept_ra = 0
sysctl net/ipv6/conf/br-3f2a91c0d4e7/accept_dad = 0
link 268435456 alias "netd:3f2a91c0d4e70000000000000000000000000000000000000000000000000000" ipv6-link-local on up
address 10.5.0.1/24 link 268435456
address fd00:5::1/64 link 268435456
host-sysctl net/ipv4/ip_forward = 1
host-sysctl net/ipv6/conf/default/forwarding = 1
host-sysctl net/ipv6/conf/all/forwarding = 1
elements nets { 268435456 } samebr { 268435456 . 268435456 } masq { 268435456 } masq6 { 268435456 }
)");
}

TEST(BridgePlan, OfAnInternalNetworkNeitherMasqueradesNorForwards) {
  Network network = shop();
  network.internal = true;
  EXPECT_EQ(network_text(network), R"(bridge br-3f2a91c0d4e7 index 268435456 mac 02:00:00:00:00:01
link 268435456 alias "netd:3f2a91c0d4e70000000000000000000000000000000000000000000000000000" ipv6-link-local off up
address 10.5.0.1/24 link 268435456
elements nets { 268435456 } internal { 268435456 } samebr { 268435456 . 268435456 }
)");
}

TEST(BridgePlan, OfAnAdoptedBridgeLeavesTheBridgeAlone) {
  Network network = shop();
  network.adopted_link = true;
  network.adopted_addresses = {*ipam::Prefix::parse("10.5.0.1/24")};
  EXPECT_EQ(network_text(network), R"(link 268435456 up
host-sysctl net/ipv4/ip_forward = 1
elements nets { 268435456 } samebr { 268435456 . 268435456 } masq { 268435456 }
)");
}

TEST(BridgePlan, OfAnUnmanagedBridgeIsItsPortsOnly) {
  Network network = shop();
  network.adopted_link = true;
  set(network.options, option_unmanaged, "true");
  set(network.options, option_bridge_name, "br-lan");
  set(network.options, option_vlan, "42");
  EXPECT_EQ(network_text(network), "");
  const std::string endpoint = endpoint_text(network, web());
  EXPECT_THAT(endpoint,
              testing::HasSubstr("bridge-port 268435457 isolated off hairpin off vlan 42"));
  EXPECT_THAT(endpoint, testing::Not(testing::HasSubstr("elements")));
  EXPECT_FALSE(Bridge({}).publishes(network));
  EXPECT_FALSE(Bridge({}).wants_gateway(network, Family::v4));
}

TEST(BridgePlan, VlanVrfAndRoutes) {
  Network network = shop();
  set(network.options, option_vlan, "42");
  set(network.options, option_routes, "10.9.0.0/16 via 10.5.0.9,blackhole 10.66.0.0/16");
  network.vrf_index = 9;
  EXPECT_THAT(network_text(network), testing::HasSubstr("mac 02:00:00:00:00:01 vlan 42\n"));
  EXPECT_THAT(network_text(network), testing::HasSubstr("master 9"));
  EXPECT_THAT(endpoint_text(network, web()),
              testing::HasSubstr("route 10.66.0.0/16 blackhole in /run/netd/netns/web\n"
                                 "route 10.9.0.0/16 via 10.5.0.9 link 268435458 in "
                                 "/run/netd/netns/web\n"));
}

TEST(BridgePlan, TakesMtuMasqueradeIccAndSourceFromOptions) {
  Network network = shop();
  set(network.options, option_mtu, "1400");
  set(network.options, option_icc, "false");
  set(network.options, option_host_ipv4, "192.0.2.7");
  EXPECT_EQ(network_text(network),
            R"(bridge br-3f2a91c0d4e7 index 268435456 mac 02:00:00:00:00:01
link 268435456 alias "netd:3f2a91c0d4e70000000000000000000000000000000000000000000000000000" mtu 1400 ipv6-link-local off up
address 10.5.0.1/24 link 268435456
host-sysctl net/ipv4/ip_forward = 1
elements nets { 268435456 } icc_off { 268435456 . 268435456 } snat4 { 268435456 : 192.0.2.7 }
)");
  set(network.options, option_masquerade, "false");
  EXPECT_EQ(network_text(network).find("snat4"), std::string::npos);
}

TEST(BridgePlan, OfAPlainEndpoint) {
  EXPECT_EQ(
      endpoint_text(shop(), web()),
      R"(veth nvaa00000000 index 268435457 mac 02:00:00:00:00:02 peer eth0 index 268435458 mac 02:00:00:00:00:03 in /run/netd/netns/web
link 268435457 alias "netd:aa00000000000000000000000000000000000000000000000000000000000000" master 268435456 ipv6-link-local off up
bridge-port 268435457 isolated off hairpin off
address 10.5.0.2/24 link 268435458 in /run/netd/netns/web
link 268435458 ipv6-link-local off up in /run/netd/netns/web
)");
}

TEST(BridgePlan, OfAPublishedDualStackEndpointWithSysctl) {
  Endpoint endpoint = web();
  endpoint.ipv6 = ipam::Prefix::parse("fd00:5::2/64");
  endpoint.ports = {
      {.container_port = 80, .host_address = *ipam::Address::parse("0.0.0.0"), .host_port = 8080},
      {.container_port = 80, .host_address = *ipam::Address::parse("::"), .host_port = 8080}};
  set(endpoint.options, option_endpoint_sysctls, "net.ipv4.conf.IFNAME.log_martians=1");
  EXPECT_EQ(
      endpoint_text(dual_stack(), endpoint),
      R"(veth nvaa00000000 index 268435457 mac 02:00:00:00:00:02 peer eth0 index 268435458 mac 02:00:00:00:00:03 in /run/netd/netns/web
link 268435457 alias "netd:aa00000000000000000000000000000000000000000000000000000000000000" master 268435456 ipv6-link-local off up
bridge-port 268435457 isolated off hairpin on
address 10.5.0.2/24 link 268435458 in /run/netd/netns/web
address fd00:5::2/64 link 268435458 in /run/netd/netns/web
sysctl net/ipv4/conf/eth0/log_martians = 1 in /run/netd/netns/web
link 268435458 ipv6-link-local on up in /run/netd/netns/web
elements pub4 { tcp . 8080 : 10.5.0.2 . 80 } hair4 { 10.5.0.2 . 10.5.0.2 } pub6 { tcp . 8080 : fd00:5::2 . 80 } hair6 { fd00:5::2 . fd00:5::2 }
)");
}

TEST(BridgePlan, IsolatesThePortsOfANetworkWithoutIcc) {
  Network network = shop();
  set(network.options, option_icc, "false");
  EXPECT_THAT(endpoint_text(network, web()), testing::HasSubstr("isolated"));
}

TEST(BridgePlan, OpensInsteadOfTranslatingOnARoutedNetwork) {
  Network network = shop();
  set(network.options, option_gateway_mode_ipv4, "routed");
  Endpoint endpoint = web();
  endpoint.ports = {{.container_port = 80, .host_address = *ipam::Address::parse("0.0.0.0")}};
  EXPECT_THAT(endpoint_text(network, endpoint), testing::HasSubstr("open4"));
  EXPECT_EQ(endpoint_text(network, endpoint).find("pub4"), std::string::npos);
  EXPECT_EQ(network_text(network).find("masq"), std::string::npos);
}

TEST(BridgePlan, IsAllOrNothing) {
  tests::FakeKernel kernel;
  kernel.set_sysctl("", "net/ipv6/conf/all/forwarding", "0");
  kernel.set_sysctl("", "net/ipv6/conf/default/forwarding", "0");
  kernel.set_sysctl("", "net/ipv4/ip_forward", "0");
  const Bridge bridge({});
  Endpoint endpoint = web();
  endpoint.ipv6 = ipam::Prefix::parse("fd00:5::2/64");
  endpoint.ports = {
      {.container_port = 80, .host_address = *ipam::Address::parse("0.0.0.0"), .host_port = 8080}};
  const SandboxNeeds needs{.sandbox = sandbox_web,
                           .dns_port = 30053,
                           .route4 = DefaultRoute{*ipam::Address::parse("10.5.0.1"), 0x10000002}};
  sandbox::Plan whole = bridge.network_plan(dual_stack());
  const sandbox::Plan base = sandbox_plan({.sandbox = sandbox_web});
  const sandbox::Plan joined = bridge.endpoint_plan(dual_stack(), endpoint, sandbox_web);
  whole.insert(whole.end(), base.begin(), base.end());
  EXPECT_GT(tests::sweep(kernel, {}, whole), 10u);
  sandbox::Plan with_endpoint = whole;
  with_endpoint.insert(with_endpoint.end(), joined.begin(), joined.end());
  const sandbox::Plan full = sandbox_plan(needs);
  for (const sandbox::Step& step : full)
    if (std::find(base.begin(), base.end(), step) == base.end()) with_endpoint.push_back(step);
  EXPECT_GT(tests::sweep(kernel, whole, with_endpoint), 8u);
}

TEST(BridgeCheck, RefusesWithDockersTexts) {
  Network network = shop();
  network.ipv4 = false;
  EXPECT_EQ(refusal(network), "IPv4 or IPv6 must be enabled");
  network = shop();
  network.pools.clear();
  EXPECT_EQ(refusal(network), "ipv4 pool is empty");
  network = shop();
  network.pools.push_back({.subnet = *ipam::Prefix::parse("10.6.0.0/24")});
  EXPECT_EQ(refusal(network), "bridge driver doesn't support multiple subnets");
  network = shop();
  network.pools[0].gateway = ipam::Address::parse("10.6.0.1");
  EXPECT_EQ(refusal(network), "default gateway ip must be part of the network");
  network = shop();
  set(network.options, option_mtu, "-1");
  EXPECT_EQ(refusal(network), "invalid MTU number: -1");
  network = shop();
  set(network.options, option_gateway_mode_ipv4, "magic");
  EXPECT_EQ(refusal(network), "unknown gateway mode magic");
  network = shop();
  set(network.options, option_gateway_mode_ipv4, "isolated");
  EXPECT_EQ(refusal(network), "gateway mode 'isolated' can only be used for an internal network");
  network = dual_stack();
  network.pools[1].subnet = *ipam::Prefix::parse("fe80::/80");
  network.pools[1].gateway = ipam::Address::parse("fe80::1");
  EXPECT_EQ(refusal(network), "'fe80::/80' clashes with the Link-Local prefix 'fe80::/64'");
}

TEST(BridgeCheck, RefusesNamesThatNoLinkCanHave) {
  for (const char* name : {"a-name-of-sixteen", "a/b", "..", "a b"}) {
    Network network = shop();
    set(network.options, option_bridge_name, name);
    EXPECT_THAT(refusal(network), testing::HasSubstr("is no valid interface name")) << name;
  }
}

TEST(BridgeGateway, IsTheBridgeUnlessAuxiliaryAddressesNameAnother) {
  Network network = shop();
  EXPECT_EQ(Bridge({}).gateway(network, {}, Family::v4), ipam::Address::parse("10.5.0.1"));
  network.pools[0].auxiliary["DefaultGatewayIPv4"] = *ipam::Address::parse("10.5.0.254");
  EXPECT_EQ(Bridge({}).gateway(network, {}, Family::v4), ipam::Address::parse("10.5.0.254"));
  network.internal = true;
  EXPECT_EQ(Bridge({}).gateway(network, {}, Family::v4), std::nullopt);
}

}  // namespace
}  // namespace drivers
