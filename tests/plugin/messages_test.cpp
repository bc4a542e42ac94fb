#include "netd/plugin/messages.h"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

namespace {

using nlohmann::json;
namespace plugin = netd::plugin;

ipam::Prefix prefix(const char* text) {
  return ipam::Prefix::parse(text).value();
}
ipam::Address address(const char* text) {
  return ipam::Address::parse(text).value();
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

netd::NetworkRecord network() {
  netd::NetworkRecord record;
  record.network.id = "n1";
  record.network.options = {{"mtu", "1400"}};
  record.network.pools = {{.subnet = prefix("10.1.0.0/16"),
                           .gateway = address("10.1.0.1"),
                           .range = {},
                           .auxiliary = {{"router", address("10.1.0.9")}}}};
  return record;
}

TEST(PluginMessages, CreateNetworkCarriesOptionsAndPools) {
  EXPECT_EQ(plugin::network_creation(network()), json::parse(R"({
    "NetworkID": "n1",
    "Options": {"com.docker.network.generic": {"mtu": "1400"},
                "com.docker.network.enable_ipv4": true,
                "com.docker.network.enable_ipv6": false},
    "IPv4Data": [{"AddressSpace": "LocalDefault", "Pool": "10.1.0.0/16", "Gateway": "10.1.0.1/16",
                  "AuxAddresses": {"router": "10.1.0.9/16"}}],
    "IPv6Data": []})"));
}

TEST(PluginMessages, InternalIsOnlySaidWhenTrue) {
  auto record = network();
  record.network.internal = true;
  EXPECT_EQ(plugin::network_creation(record)["Options"]["com.docker.network.internal"], true);
}

TEST(PluginMessages, NullIpamIsDockersEmptyPool) {
  auto record = network();
  record.ipam_driver = "null";
  record.network.pools.clear();
  EXPECT_EQ(plugin::network_creation(record)["IPv4Data"],
            json::parse(R"([{"AddressSpace": "null", "Pool": "0.0.0.0/0"}])"));
}

TEST(PluginMessages, CreateEndpointCarriesPortsAndTheMacInBase64) {
  netd::EndpointRecord endpoint;
  endpoint.network_id = "n1";
  endpoint.endpoint.id = "e1";
  endpoint.endpoint.ipv4 = prefix("10.1.0.2/16");
  endpoint.spec.mac = ipam::Mac::parse("02:42:ac:11:00:02");
  endpoint.spec.options = {{"colour", "blue"}};
  netd::SandboxSpec sandbox;
  sandbox.ports = {{.container_port = 80, .host_port_first = 8080, .host_port_last = 8080}};
  EXPECT_EQ(plugin::endpoint_creation(endpoint, sandbox, false, endpoint.spec.mac), json::parse(R"({
    "NetworkID": "n1", "EndpointID": "e1",
    "Interface": {"Address": "10.1.0.2/16", "AddressIPv6": "", "MacAddress": "02:42:ac:11:00:02"},
    "Options": {"colour": "blue", "com.docker.network.endpoint.macaddress": "AkKsEQAC",
      "com.docker.network.endpoint.exposedports": [{"Proto": 6, "Port": 80}],
      "com.docker.network.portmap": [{"Proto": 6, "IP": "", "Port": 80, "HostIP": "",
                                      "HostPort": 8080, "HostPortEnd": 8080}]}})"));
}

TEST(PluginMessages, ADriverChoosesOnlyWhatWasLeftOpen) {
  const auto reply = json::parse(R"({"Interface": {"Address": "10.1.0.7/16"}})");
  EXPECT_EQ(plugin::read_interface(reply, {}).ipv4, prefix("10.1.0.7/16"));
  EXPECT_EQ(refusal([&] {
              plugin::read_interface(reply, {.ipv4 = prefix("10.1.0.2/16"), .ipv6 = {}, .mac = {}});
            }),
            "driver modified interface address: 10.1.0.2/16 to 10.1.0.7/16");
  EXPECT_FALSE(plugin::read_interface(json::parse(R"({"Interface": null})"), {}).ipv4);
}

TEST(PluginMessages, ReadsAJoin) {
  const auto join = plugin::read_join(json::parse(R"({
    "InterfaceName": {"SrcName": "vc1", "DstName": "ignored", "DstPrefix": "weave"},
    "Gateway": "169.254.1.1", "DisableGatewayService": true,
    "StaticRoutes": [{"Destination": "10.9.0.0/16", "RouteType": 0, "NextHop": "10.1.0.1"},
                     {"Destination": "169.254.1.1/32", "RouteType": 1}]})"));
  EXPECT_EQ(join.joined.source_link, "vc1");
  EXPECT_EQ(join.prefix, "weave");
  EXPECT_EQ(join.joined.gateway4, address("169.254.1.1"));
  EXPECT_TRUE(join.disable_gateway_service);
  ASSERT_EQ(join.joined.routes.size(), 2u);
  EXPECT_EQ(join.joined.routes[0].next_hop, address("10.1.0.1"));
  EXPECT_FALSE(join.joined.routes[1].next_hop);
}

TEST(PluginMessages, AJoinThatIsWrongNamesTheField) {
  const auto refused = [](const char* text) {
    return refusal([&] { plugin::read_join(json::parse(text)); });
  };
  EXPECT_EQ(refused(R"({"InterfaceName": {"SrcName": 5}})"),
            "invalid JSON: InterfaceName.SrcName: expected a string, found 5");
  EXPECT_EQ(refused(R"({"Gateway": "10.1.0"})"), "unable to parse Gateway \"10.1.0\"");
  EXPECT_EQ(refused(R"({"Gateway": "fd00::1"})"), "unable to parse Gateway \"fd00::1\"");
  EXPECT_EQ(refused(R"({"StaticRoutes": [{"Destination": "10.0.0.0/8", "NextHop": "x"}]})"),
            "failed to parse nexthop IP x");
  EXPECT_EQ(refused(R"({"StaticRoutes": [{"Destination": "10.0.0.0/8", "RouteType": 7}]})"),
            "StaticRoutes[0].RouteType: expected 0 or 1, found 7");
  EXPECT_NE(refused(R"({"InterfaceName": {"SrcName": "../eth0"}})"), "accepted");
}

TEST(PluginMessages, ScopeIsLocalOrGlobal) {
  EXPECT_EQ(refusal([] {
              plugin::read_driver_capabilities({{"Scope", "galaxy"}});
            }),
            "invalid capability: expecting 'local' or 'global', got galaxy");
}

TEST(PluginMessages, APoolMayBringItsGateway) {
  const auto pool = plugin::read_pool(json::parse(
      R"({"PoolID": "p", "Pool": "10.1.0.0/16",
          "Data": {"com.docker.network.gateway": "10.1.0.254/16"}})"));
  EXPECT_EQ(pool.gateway, address("10.1.0.254"));
  EXPECT_EQ(refusal([] { plugin::read_pool(json::object()); }),
            "Pool: expected a subnet, found none");
}

TEST(PluginMessages, AnAddressIsMandatory) {
  EXPECT_EQ(refusal([] { plugin::read_address({{"Address", ""}}); }), "no address returned");
}

}  // namespace
