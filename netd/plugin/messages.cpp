#include "netd/plugin/messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "netd/api/json_reader.h"

namespace netd::plugin {
namespace {

using api::JsonObject;
using nlohmann::json;

constexpr std::string_view ports_key = "com.docker.network.portmap";
constexpr std::string_view exposed_key = "com.docker.network.endpoint.exposedports";

/// The field as a value; "" is absent, as Docker's own reading has it.
template <class T>
std::optional<T> value(const JsonObject& object, std::string_view key, std::string_view expected) {
  const std::string text = object.text(key);
  if (text.empty()) return std::nullopt;
  const auto parsed = T::parse(text);
  if (!parsed)
    throw std::invalid_argument(fmt::format("{}: expected {}, found \"{}\"", object.path_of(key),
                                            expected, text.substr(0, 64)));
  return parsed;
}

std::optional<ipam::Prefix> prefix(const JsonObject& object, std::string_view key,
                                   std::optional<ipam::Family> family = {}) {
  const auto found = value<ipam::Prefix>(object, key, "an address with a prefix length");
  if (found && family && found->family() != *family)
    throw std::invalid_argument(fmt::format("{}: expected {}, found \"{}\"", object.path_of(key),
                                            *family == ipam::Family::v4 ? "IPv4" : "IPv6",
                                            found->to_string()));
  return found;
}

std::optional<ipam::Address> gateway(const JsonObject& reply, std::string_view key,
                                     ipam::Family family) {
  const std::string text = reply.text(key);
  if (text.empty()) return std::nullopt;
  const auto address = ipam::Address::parse(text);
  if (!address || address->family() != family)
    throw std::invalid_argument(fmt::format("unable to parse {} \"{}\"", key, text.substr(0, 64)));
  return address;
}

std::string text_of(const std::optional<ipam::Prefix>& prefix) {
  return prefix ? prefix->to_string() : "";
}

std::string text_of(const std::optional<ipam::Address>& address) {
  return address ? address->to_string() : "";
}

/// One IPAMData: Pool, Gateway and AuxAddresses are left out when unset.
json ipam_data(const std::string& space, const drivers::Pool& pool) {
  json data{{"AddressSpace", space}, {"Pool", pool.subnet.to_string()}};
  const auto with_length = [&](const ipam::Address& address) {
    return ipam::Prefix{address, pool.subnet.length}.to_string();
  };
  if (pool.gateway) data["Gateway"] = with_length(*pool.gateway);
  for (const auto& [name, address] : pool.auxiliary)
    data["AuxAddresses"][name] = with_length(address);
  return data;
}

json all_ipam_data(const NetworkRecord& network, ipam::Family family) {
  json list = json::array();
  const std::string space = network.remote.ipam ? network.remote.address_space : "LocalDefault";
  if (network.ipam_driver == "null") {
    // Docker's null IPAM leases everything and nothing (libnetwork ipams/null).
    if (family == ipam::Family::v4 && network.network.ipv4)
      list.push_back({{"AddressSpace", "null"}, {"Pool", "0.0.0.0/0"}});
    return list;
  }
  for (const drivers::Pool& pool : network.network.pools)
    if (pool.subnet.family() == family) list.push_back(ipam_data(space, pool));
  return list;
}

json network_options(const NetworkRecord& network) {
  json options{{"com.docker.network.generic", network.network.options},
               {"com.docker.network.enable_ipv4", network.network.ipv4},
               {"com.docker.network.enable_ipv6", network.network.ipv6}};
  if (network.network.internal) options["com.docker.network.internal"] = true;
  return options;
}

json port_options(const SandboxSpec& sandbox) {
  json exposed = json::array(), bindings = json::array();
  for (const drivers::PortBinding& port : sandbox.ports) {
    const auto protocol = static_cast<int>(port.protocol);
    json one{{"Proto", protocol}, {"Port", port.container_port}};
    if (std::ranges::find(exposed, one) == exposed.end()) exposed.push_back(one);
    one["IP"] = "";
    one["HostIP"] = text_of(port.host_address);
    one["HostPort"] = port.host_port_first;
    one["HostPortEnd"] = port.host_port_last;
    bindings.push_back(std::move(one));
  }
  return {{std::string(exposed_key), std::move(exposed)},
          {std::string(ports_key), std::move(bindings)}};
}

/// RFC 4648 4, of six bytes: Go's encoding of a net.HardwareAddr.
std::string base64(const ipam::Mac& mac) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < mac.bytes.size(); i += 3) {
    const unsigned group = (static_cast<unsigned>(mac.bytes[i]) << 16) |
                           (static_cast<unsigned>(mac.bytes[i + 1]) << 8) | mac.bytes[i + 2];
    for (const unsigned shift : {18u, 12u, 6u, 0u})
      text += digits[(group >> shift) & 63];
  }
  return text;
}

drivers::StaticRoute read_route(const JsonObject& route) {
  const auto destination = prefix(route, "Destination");
  if (!destination)
    throw std::invalid_argument(route.path_of("Destination") + ": expected a subnet, found none");
  const int type = route.number("RouteType").value_or(0);
  if (type == 1) return {*destination, std::nullopt};
  if (type != 0)
    throw std::invalid_argument(
        fmt::format("{}: expected 0 or 1, found {}", route.path_of("RouteType"), type));
  const std::string text = route.text("NextHop");
  const auto hop = ipam::Address::parse(text);
  if (!hop || hop->family() != destination->family())
    throw std::invalid_argument("failed to parse nexthop IP " + text.substr(0, 64));
  return {*destination, hop};
}

json address_request(const std::string& pool_id, const std::optional<ipam::Address>& wanted,
                     json options) {
  return {{"PoolID", pool_id}, {"Address", text_of(wanted)}, {"Options", std::move(options)}};
}

}  // namespace

Implements read_implements(const json& reply) {
  Implements implements;
  for (const std::string& name : JsonObject(reply, "").texts("Implements")) {
    implements.network_driver = implements.network_driver || name == "NetworkDriver";
    implements.ipam_driver = implements.ipam_driver || name == "IpamDriver";
  }
  return implements;
}

DriverCapabilities read_driver_capabilities(const json& reply) {
  const JsonObject object(reply, "");
  const auto check = [](const std::string& scope) {
    if (scope != "local" && scope != "global")
      throw std::invalid_argument("invalid capability: expecting 'local' or 'global', got " +
                                  scope.substr(0, 64));
  };
  DriverCapabilities capabilities{.scope = object.text("Scope"),
                                  .checks_gateway = object.flag("GwAllocChecker")};
  check(capabilities.scope);
  if (const std::string scope = object.text("ConnectivityScope"); !scope.empty()) check(scope);
  return capabilities;
}

IpamCapabilities read_ipam_capabilities(const json& reply) {
  const JsonObject object(reply, "");
  return {object.flag("RequiresMACAddress"), object.flag("RequiresRequestReplay")};
}

AddressSpaces read_address_spaces(const json& reply) {
  const JsonObject object(reply, "");
  return {object.text("LocalDefaultAddressSpace"), object.text("GlobalDefaultAddressSpace")};
}

json gateway_check(const NetworkRecord& network) {
  return {{"Options", network_options(network)}};
}

GatewaySkips read_gateway_skips(const json& reply) {
  const JsonObject object(reply, "");
  return {object.flag("SkipIPv4"), object.flag("SkipIPv6")};
}

json pool_request(const NetworkRecord& network, const PoolRequest& wanted, ipam::Family family) {
  return {{"AddressSpace", network.remote.address_space},
          {"Pool", wanted.subnet ? wanted.subnet->masked().to_string() : ""},
          {"SubPool", wanted.range ? wanted.range->masked().to_string() : ""},
          {"Options", network.ipam_options},
          {"V6", family == ipam::Family::v6}};
}

LeasedPool read_pool(const json& reply) {
  const JsonObject object(reply, "");
  const auto subnet = prefix(object, "Pool");
  if (!subnet) throw std::invalid_argument("Pool: expected a subnet, found none");
  LeasedPool pool{.id = object.text("PoolID"), .subnet = subnet->masked(), .gateway = {}};
  if (const auto gateway = prefix(object.object("Data"), gateway_key))
    pool.gateway = gateway->address;
  return pool;
}

json pool_release(const std::string& pool_id) {
  return {{"PoolID", pool_id}};
}

json gateway_request(const std::string& pool_id, const std::optional<ipam::Address>& wanted) {
  return address_request(pool_id, wanted, {{"RequestAddressType", gateway_key}});
}

json auxiliary_request(const std::string& pool_id, const ipam::Address& wanted) {
  return address_request(pool_id, wanted, json::object());
}

json endpoint_request(const std::string& pool_id, const std::optional<ipam::Address>& wanted,
                      const std::string& sandbox, const std::optional<ipam::Mac>& mac) {
  json options{{"com.docker.network.endpoint.name", sandbox}};
  if (mac) options["com.docker.network.endpoint.macaddress"] = mac->to_string();
  return address_request(pool_id, wanted, std::move(options));
}

ipam::Prefix read_address(const json& reply) {
  const auto address = prefix(JsonObject(reply, ""), "Address");
  if (!address) throw std::invalid_argument("no address returned");
  return *address;
}

json address_release(const std::string& pool_id, const ipam::Address& address) {
  return {{"PoolID", pool_id}, {"Address", address.to_string()}};
}

json network_creation(const NetworkRecord& network) {
  return {{"NetworkID", network.network.id},
          {"Options", network_options(network)},
          {"IPv4Data", all_ipam_data(network, ipam::Family::v4)},
          {"IPv6Data", all_ipam_data(network, ipam::Family::v6)}};
}

json network_reference(const std::string& network_id) {
  return {{"NetworkID", network_id}};
}

json endpoint_creation(const EndpointRecord& endpoint, const SandboxSpec& sandbox, bool internal,
                       const std::optional<ipam::Mac>& mac) {
  json options = endpoint.spec.options;
  if (options.is_null()) options = json::object();
  if (!internal) options.update(port_options(sandbox));
  if (endpoint.spec.mac)
    options["com.docker.network.endpoint.macaddress"] = base64(*endpoint.spec.mac);
  if (!sandbox.dns.empty()) {
    json& servers = options["com.docker.network.endpoint.dnsservers"] = json::array();
    for (const ipam::Address& server : sandbox.dns)
      servers.push_back(server.to_string());
  }
  return {{"NetworkID", endpoint.network_id},
          {"EndpointID", endpoint.endpoint.id},
          {"Interface",
           {{"Address", text_of(endpoint.endpoint.ipv4)},
            {"AddressIPv6", text_of(endpoint.endpoint.ipv6)},
            {"MacAddress", mac ? mac->to_string() : ""}}},
          {"Options", std::move(options)}};
}

Interface read_interface(const json& reply, const Interface& asked) {
  const JsonObject object = JsonObject(reply, "").object("Interface");
  Interface answer{.ipv4 = prefix(object, "Address", ipam::Family::v4),
                   .ipv6 = prefix(object, "AddressIPv6", ipam::Family::v6),
                   .mac = value<ipam::Mac>(object, "MacAddress", "a MAC address")};
  const auto modified = [](const char* what, const auto& from, const auto& to) {
    if (from && to)
      throw std::invalid_argument(fmt::format("driver modified interface {}: {} to {}", what,
                                              from->to_string(), to->to_string()));
  };
  modified("address", asked.ipv4, answer.ipv4);
  modified("address", asked.ipv6, answer.ipv6);
  modified("MAC address", asked.mac, answer.mac);
  return answer;
}

json join_request(const EndpointRecord& endpoint, const SandboxSpec& sandbox,
                  const std::string& sandbox_key) {
  return {{"NetworkID", endpoint.network_id},
          {"EndpointID", endpoint.endpoint.id},
          {"SandboxKey", sandbox_key},
          {"Options", port_options(sandbox)}};
}

JoinReply read_join(const json& reply) {
  constexpr std::size_t most_routes = 4096;
  const JsonObject object(reply, "");
  const JsonObject names = object.object("InterfaceName");
  JoinReply join;
  join.joined.source_link = names.text("SrcName");
  join.prefix = names.text("DstPrefix");
  if (!join.joined.source_link.empty())
    drivers::check_interface_name("InterfaceName.SrcName", join.joined.source_link);
  if (!join.prefix.empty())
    drivers::check_interface_name("InterfaceName.DstPrefix", join.prefix + "00");
  join.joined.gateway4 = gateway(object, "Gateway", ipam::Family::v4);
  join.joined.gateway6 = gateway(object, "GatewayIPv6", ipam::Family::v6);
  const auto routes = object.objects("StaticRoutes");
  if (routes.size() > most_routes)
    throw std::invalid_argument(
        fmt::format("StaticRoutes: {} are too many, {} are the limit", routes.size(), most_routes));
  for (const JsonObject& route : routes)
    join.joined.routes.push_back(read_route(route));
  join.disable_gateway_service = object.flag("DisableGatewayService");
  return join;
}

json endpoint_reference(const EndpointRecord& endpoint) {
  return {{"NetworkID", endpoint.network_id}, {"EndpointID", endpoint.endpoint.id}};
}

json external_request(const EndpointRecord& endpoint, const SandboxSpec& sandbox, bool other_ipv6) {
  json request = endpoint_reference(endpoint);
  request["Options"] = port_options(sandbox);
  if (other_ipv6) request["Options"]["com.docker.network.driver.private.no_proxy_6to4"] = true;
  return request;
}

}  // namespace netd::plugin
