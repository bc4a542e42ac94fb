#include "netd/api/engine_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "netd/error.h"

namespace netd::api {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <class Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "accepted";
}

NetworkSpec network_spec(const std::string& text) {
  const json body = json::parse(text);
  return read_network_spec({body, ""});
}

EndpointSpec endpoint_spec(const std::string& text) {
  const json body = json::parse(text);
  return read_endpoint_spec({body, "EndpointConfig"});
}

std::vector<drivers::PortBinding> bindings(const std::string& text,
                                           EmptyBindings when_empty = EmptyBindings::nothing) {
  const json body = json::parse(text);
  return read_port_bindings({body, "PortBindings"}, when_empty);
}

ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}
ipam::Prefix prefix(const char* text) {
  return *ipam::Prefix::parse(text);
}

NetworkRecord shop() {
  NetworkRecord record;
  record.network.id = std::string(64, 'a');
  record.network.name = "shop";
  record.network.pools = {{.subnet = prefix("10.5.0.0/24"), .gateway = address("10.5.0.1")}};
  record.created_nano = 1'000'000'000;
  return record;
}

EndpointRecord web_endpoint() {
  EndpointRecord record;
  record.endpoint.id = "e1";
  record.endpoint.sandbox_link = "eth0";
  record.endpoint.mac = *ipam::Mac::parse("02:42:0a:05:00:02");
  record.endpoint.ipv4 = prefix("10.5.0.2/24");
  record.network_id = std::string(64, 'a');
  record.sandbox_id = "s1";
  record.dns_names = {"web", "s1"};
  return record;
}

TEST(ReadNetworkSpec, TakesWhatDockersClientSends) {
  const NetworkSpec spec = network_spec(R"({
    "CheckDuplicate":true,"Driver":"bridge","Scope":"","EnableIPv6":true,
    "IPAM":{"Driver":"default","Options":{},"Config":[
      {"Subnet":"10.5.0.0/16","IPRange":"10.5.1.0/24","Gateway":"10.5.0.1",
       "AuxiliaryAddresses":{"router":"10.5.0.9"}},{"Subnet":"fd00::/64"}]},
    "Internal":true,"Attachable":false,"Ingress":false,"ConfigOnly":false,"ConfigFrom":null,
    "Options":{"com.docker.network.bridge.name":"br0"},"Labels":{"a":"b"},"Name":"shop"})");
  EXPECT_EQ(spec.name, "shop");
  EXPECT_EQ(spec.driver, "bridge");
  EXPECT_FALSE(spec.ipv4);
  EXPECT_EQ(spec.ipv6, true);
  EXPECT_TRUE(spec.internal);
  ASSERT_EQ(spec.pools.size(), 2u);
  EXPECT_EQ(spec.pools[0].subnet, prefix("10.5.0.0/16"));
  EXPECT_EQ(spec.pools[0].range, prefix("10.5.1.0/24"));
  EXPECT_EQ(spec.pools[0].gateway, address("10.5.0.1"));
  EXPECT_EQ(spec.pools[0].auxiliary.at("router"), address("10.5.0.9"));
  EXPECT_EQ(spec.pools[1].subnet, prefix("fd00::/64"));
  EXPECT_FALSE(spec.pools[1].gateway);
  EXPECT_EQ(spec.options.at("com.docker.network.bridge.name"), "br0");
  EXPECT_EQ(spec.labels.at("a"), "b");
}

TEST(ReadNetworkSpec, NamesMalformedAddresses) {
  EXPECT_EQ(refusal([] { network_spec(R"({"IPAM":{"Config":[{"Subnet":"foo"}]}})"); }),
            "invalid JSON: IPAM.Config[0].Subnet: expected a subnet such as 10.5.0.0/16, found "
            "\"foo\"");
  EXPECT_EQ(
      refusal([] { network_spec(R"({"IPAM":{"Config":[{"AuxiliaryAddresses":{"a":"x"}}]}})"); }),
      "invalid JSON: IPAM.Config[0].AuxiliaryAddresses.a: expected an IP address, found "
      "\"x\"");
}

TEST(ReadEndpointSpec, TakesAllSettings) {
  const EndpointSpec spec = endpoint_spec(R"({
    "IPAMConfig":{"IPv4Address":"10.5.0.7","IPv6Address":"fd00::7","LinkLocalIPs":["169.254.3.4"]},
    "Links":["db:database"],"Aliases":["www"],"DriverOpts":{"k":"v"},"GwPriority":-5,
    "MacAddress":"02:42:0a:05:00:07"})");
  EXPECT_EQ(spec.ipv4, address("10.5.0.7"));
  EXPECT_EQ(spec.ipv6, address("fd00::7"));
  EXPECT_THAT(spec.link_local, ElementsAre(address("169.254.3.4")));
  EXPECT_THAT(spec.links, ElementsAre("db:database"));
  EXPECT_THAT(spec.aliases, ElementsAre("www"));
  EXPECT_EQ(spec.options.at("k"), "v");
  EXPECT_EQ(spec.gateway_priority, -5);
  EXPECT_EQ(spec.mac->to_string(), "02:42:0a:05:00:07");
}

TEST(ReadEndpointSpec, TakesEmptySettings) {
  const EndpointSpec spec = endpoint_spec(R"({"IPAMConfig":{"IPv4Address":""},"MacAddress":""})");
  EXPECT_FALSE(spec.ipv4);
  EXPECT_FALSE(spec.mac);
}

TEST(ReadEndpointSpec, ReportsAllProblemsAtOnce) {
  EXPECT_EQ(refusal([] {
              endpoint_spec(R"({"IPAMConfig":{"IPv4Address":"fd00::1","IPv6Address":"x",
                                "LinkLocalIPs":["10.0.0.1"]},"MacAddress":"zz"})");
            }),
            "invalid endpoint settings:\n"
            "invalid IPv4 address: fd00::1\n"
            "invalid IPv6 address: x\n"
            "invalid link-local IP address: 10.0.0.1\n"
            "invalid MAC address: zz");
  EXPECT_EQ(refusal([] { endpoint_spec(R"({"MacAddress":"01:00:5e:00:00:01"})"); }),
            "invalid endpoint settings:\n"
            "invalid MAC address: 01:00:5e:00:00:01 (it is a multicast address)");
}

TEST(ReadPortBindings, TakesTheThreeFormsOfHostPorts) {
  const auto read = bindings(R"({"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5300-5310"}],
                                 "80":[{"HostPort":""},{"HostIp":"::","HostPort":"8080"}]})");
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].protocol, sandbox::Protocol::udp);
  EXPECT_EQ(read[0].container_port, 53);
  EXPECT_EQ(read[0].host_address, address("127.0.0.1"));
  EXPECT_EQ(read[0].host_port_first, 5300);
  EXPECT_EQ(read[0].host_port_last, 5310);
  EXPECT_EQ(read[1].protocol, sandbox::Protocol::tcp);
  EXPECT_FALSE(read[1].host_address);
  EXPECT_EQ(read[1].host_port_first, 0);
  EXPECT_EQ(read[2].host_port_first, 8080);
  EXPECT_EQ(read[2].host_port_last, 8080);
}

TEST(ReadPortBindings, TakesEmptyListsAsAsked) {
  EXPECT_THAT(bindings(R"({"80/tcp":null,"81/tcp":[]})"), IsEmpty());
  EXPECT_EQ(bindings(R"({"80/tcp":null,"81/tcp":[]})", EmptyBindings::all).size(), 2u);
}

TEST(ReadPortBindings, RefusesNonsense) {
  EXPECT_EQ(refusal([] { bindings(R"({"x":[{}]})"); }),
            "invalid port \"x\" in PortBindings: expected PORT/PROTOCOL such as 80/tcp");
  EXPECT_EQ(refusal([] { bindings(R"({"80/icmp":[{}]})"); }),
            "invalid port \"80/icmp\" in PortBindings: the protocol is tcp, udp or sctp");
  EXPECT_EQ(refusal([] { bindings(R"({"80/tcp":[{"HostPort":"10-5"}]})"); }),
            "invalid port range: 10-5 in PortBindings.80/tcp");
  for (const char* port : {"65536", "-1", "a", "1-", "-", "1-2-3", "8080 "})
    EXPECT_NE(
        refusal([&] { bindings(std::string(R"({"80/tcp":[{"HostPort":")") + port + R"("}]})"); }),
        "accepted")
        << port;
  for (const char* key : {"", "0/tcp", "/tcp", "80/", "65536/tcp", "80-81/tcp"})
    EXPECT_NE(refusal([&] { bindings(std::string("{\"") + key + "\":[{}]}"); }), "accepted") << key;
}

TEST(NetworkJson, HasTheShapeDockersClientsDecode) {
  EXPECT_EQ(network_json(shop()), json::parse(R"({
    "Name":"shop","Id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Created":"1970-01-01T00:00:01Z","Scope":"local","Driver":"bridge",
    "EnableIPv4":true,"EnableIPv6":false,
    "IPAM":{"Driver":"default","Options":null,
            "Config":[{"Subnet":"10.5.0.0/24","Gateway":"10.5.0.1"}]},
    "Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},
    "ConfigOnly":false,"Options":{},"Labels":{}})"));
}

TEST(NetworkInspectJson, AddsContainersAndStatus) {
  const EndpointRecord endpoint = web_endpoint();
  EndpointRecord ghost;
  ghost.endpoint.id = "e2";
  const json inspected = network_inspect_json(
      shop(), {{&endpoint, "web"}, {&ghost, ""}},
      {{prefix("10.5.0.0/24"), 4, 252}, {prefix("fd00::/48"), 1, ipam::Offset{1} << 80}});
  EXPECT_EQ(inspected["Containers"], json::parse(R"({
    "s1":{"Name":"web","EndpointID":"e1","MacAddress":"02:42:0a:05:00:02",
          "IPv4Address":"10.5.0.2/24","IPv6Address":""},
    "ep-e2":{"Name":"","EndpointID":"e2","MacAddress":"","IPv4Address":"","IPv6Address":""}})"));
  EXPECT_EQ(inspected["Status"]["IPAM"]["Subnets"], json::parse(R"({
    "10.5.0.0/24":{"IPsInUse":4,"DynamicIPsAvailable":252},
    "fd00::/48":{"IPsInUse":1,"DynamicIPsAvailable":18446744073709551615}})"));
}

TEST(EndpointJson, ShowsSettingsAndWhatCameOfThem) {
  EndpointRecord endpoint = web_endpoint();
  endpoint.spec.ipv4 = address("10.5.0.2");
  endpoint.spec.aliases = {"www"};
  EXPECT_EQ(endpoint_json(endpoint, shop()), json::parse(R"({
    "IPAMConfig":{"IPv4Address":"10.5.0.2"},"Links":null,"Aliases":["www"],
    "MacAddress":"02:42:0a:05:00:02","DriverOpts":null,"GwPriority":0,
    "NetworkID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "EndpointID":"e1","Gateway":"10.5.0.1","IPAddress":"10.5.0.2","IPPrefixLen":24,
    "IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":["web","s1"]})"));
}

TEST(EndpointJson, HasNoGatewayOnInternalNetworks) {
  NetworkRecord network = shop();
  network.network.internal = true;
  EXPECT_EQ(endpoint_json(web_endpoint(), network)["Gateway"], "");
}

TEST(PortJson, HasBothOfDockersShapes) {
  const std::vector<drivers::Port> ports{{sandbox::Protocol::tcp, 80, address("0.0.0.0"), 8080},
                                         {sandbox::Protocol::tcp, 80, address("::"), 8080},
                                         {sandbox::Protocol::udp, 53, address("127.0.0.1"), 5300}};
  EXPECT_EQ(port_map_json(ports), json::parse(R"({
    "80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],
    "53/udp":[{"HostIp":"127.0.0.1","HostPort":"5300"}]})"));
  EXPECT_EQ(port_list_json({ports[2]}), json::parse(R"([
    {"IP":"127.0.0.1","PrivatePort":53,"PublicPort":5300,"Type":"udp"}])"));
  EXPECT_EQ(port_map_json({}), json::object());
  EXPECT_EQ(port_list_json({}), json::array());
}

TEST(PortJson, ShowsBindingsAsTheyAreRead) {
  const std::string all = R"({"53/udp":[{"HostIp":"","HostPort":""}],
    "80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostIp":"","HostPort":"9000-9005"}]})";
  EXPECT_EQ(port_bindings_json(bindings(all)), json::parse(all));
  EXPECT_EQ(port_bindings_json({}), json::object());
}

}  // namespace
}  // namespace netd::api
