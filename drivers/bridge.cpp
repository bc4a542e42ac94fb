#include "drivers/bridge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drivers/interior.h"
#include "drivers/options.h"
#include "drivers/port_mapping.h"
#include "drivers/routes.h"

namespace drivers {
namespace {

using ipam::Family;
using sandbox::Element;
using sandbox::LinkIndex;

constexpr std::array<std::string_view, 25> network_options{option_metric,
                                                           option_accept_ra,
                                                           option_detect_conflicts,
                                                           option_no_default_route,
                                                           option_routes,
                                                           option_vrf,
                                                           option_vlan,
                                                           option_unmanaged,
                                                           option_mtu,
                                                           option_interface_prefix,
                                                           option_host_ipv4,
                                                           option_host_ipv6,
                                                           option_enable_ipv4,
                                                           option_enable_ipv6,
                                                           option_bridge_name,
                                                           option_masquerade,
                                                           option_icc,
                                                           option_inhibit_ipv4,
                                                           option_gateway_mode_ipv4,
                                                           option_gateway_mode_ipv6,
                                                           option_default_bridge,
                                                           option_host_binding_ipv4,
                                                           option_advertise_count,
                                                           option_advertise_interval,
                                                           option_gateway_dns};

constexpr std::array<std::string_view, 5> endpoint_options{
    option_endpoint_interface, option_endpoint_sysctls, option_advertise_count,
    option_advertise_interval, option_host_interface};

/// Somebody else's bridge: netd adds its ports, and does nothing else.
bool is_unmanaged(const Network& network) {
  return bool_option(network.options, option_unmanaged, false);
}

std::uint16_t vlan_of(const Network& network) {
  return static_cast<std::uint16_t>(int_option(network.options, option_vlan, 0, 1, 4094));
}

void check_unmanaged(const Network& network) {
  if (text_option(network.options, option_bridge_name, "").empty())
    throw std::invalid_argument(fmt::format("{} needs the name of an existing bridge: -o {}=NAME",
                                            option_unmanaged, option_bridge_name));
  if (bool_option(network.options, option_gateway_dns, false) ||
      !text_option(network.options, option_vrf, "").empty())
    throw std::invalid_argument(
        fmt::format("{} and {} don't go with {}: netd leaves the bridge as it is",
                    option_gateway_dns, option_vrf, option_unmanaged));
}

bool enabled(const Network& network, Family family) {
  return family == Family::v4 ? network.ipv4 : network.ipv6;
}

const Pool* pool_of(const Network& network, Family family) {
  const auto found = std::ranges::find_if(
      network.pools, [&](const Pool& pool) { return pool.subnet.family() == family; });
  return found == network.pools.end() ? nullptr : &*found;
}

void check_pools(const Network& network, Family family) {
  const auto count = std::ranges::count_if(
      network.pools, [&](const Pool& pool) { return pool.subnet.family() == family; });
  if (count > 1) throw Refused("bridge driver doesn't support multiple subnets");
  if (!enabled(network, family) || network.leased) return;
  const Pool* pool = pool_of(network, family);
  if (!pool || pool->subnet.length == 0)
    throw std::invalid_argument(
        fmt::format("{} pool is empty", family == Family::v4 ? "ipv4" : "ipv6"));
  if (pool->gateway && !pool->subnet.contains(*pool->gateway))
    throw std::invalid_argument("default gateway ip must be part of the network");
  if (pool->subnet.address.is_multicast())
    throw std::invalid_argument(
        fmt::format("multicast subnet '{}' is not allowed", pool->subnet.to_string()));
  static const ipam::Prefix link_local = *ipam::Prefix::parse("fe80::/64");
  if (family == Family::v6 && pool->subnet.overlaps(link_local) && pool->subnet != link_local)
    throw std::invalid_argument(fmt::format("'{}' clashes with the Link-Local prefix 'fe80::/64'",
                                            pool->subnet.to_string()));
  for (const char* name : {"DefaultGatewayIPv4", "DefaultGatewayIPv6"})
    if (network.internal && pool->auxiliary.contains(name))
      throw std::invalid_argument("no gateway can be set on an internal bridge network");
}

void check_gateway_mode(const Network& network, Family family) {
  if (gateway_mode(network, family) == GatewayMode::isolated && !network.internal)
    throw std::invalid_argument("gateway mode 'isolated' can only be used for an internal network");
}

/// The bridge's own address of that family, with the subnet's length; nothing in modes without one.
std::optional<ipam::Prefix> bridge_address(const Network& network, Family family) {
  const Pool* pool = pool_of(network, family);
  if (!enabled(network, family) || !pool || !pool->gateway) return std::nullopt;
  if (gateway_mode(network, family) == GatewayMode::isolated) return std::nullopt;
  if (family == Family::v4 && bool_option(network.options, option_inhibit_ipv4, false))
    return std::nullopt;
  if (is_unmanaged(network)) return std::nullopt;
  return ipam::Prefix{*pool->gateway, pool->subnet.length};
}

Element mark(std::string set, std::uint32_t index) {
  return {.set = std::move(set), .key = {LinkIndex{index}}, .value = {}};
}

void add_nat_elements(const Network& network, Family family, std::vector<Element>& elements) {
  if (!enabled(network, family) || network.internal) return;
  const bool v4 = family == Family::v4;
  const GatewayMode mode = gateway_mode(network, family);
  if (mode == GatewayMode::nat_unprotected) elements.push_back(mark("open_in", network.link_index));
  if (mode == GatewayMode::routed) return;
  if (!bool_option(network.options, option_masquerade, true)) return;
  const auto source = address_option(network.options, v4 ? option_host_ipv4 : option_host_ipv6);
  if (source)
    elements.push_back({.set = v4 ? "snat4" : "snat6",
                        .key = {LinkIndex{network.link_index}},
                        .value = {*source}});
  else
    elements.push_back(mark(v4 ? "masq" : "masq6", network.link_index));
}

std::vector<Element> network_elements(const Network& network) {
  std::vector<Element> elements{mark("nets", network.link_index)};
  if (network.internal) elements.push_back(mark("internal", network.link_index));
  // Traffic within the bridge passes the forward hook when br_netfilter is on. With ICC off the
  // bridge keeps its isolated ports apart, and what is routed back into it has to be published.
  const bool icc = bool_option(network.options, option_icc, true);
  elements.push_back({.set = icc ? "samebr" : "icc_off",
                      .key = {LinkIndex{network.link_index}, LinkIndex{network.link_index}},
                      .value = {}});
  add_nat_elements(network, Family::v4, elements);
  add_nat_elements(network, Family::v6, elements);
  // Both families can ask for the same mark; a batch with the same element twice is refused.
  std::vector<Element> unique;
  for (Element& element : elements)
    if (std::ranges::find(unique, element) == unique.end()) unique.push_back(std::move(element));
  return unique;
}

void add_forwarding(const Network& network, const BridgeSettings& settings, sandbox::Plan& plan) {
  if (!settings.ip_forward || network.internal) return;
  if (network.ipv4) plan.push_back(sandbox::SetHostSysctl{"net/ipv4/ip_forward", "1"});
  if (!network.ipv6) return;
  plan.push_back(sandbox::SetHostSysctl{"net/ipv6/conf/default/forwarding", "1"});
  plan.push_back(sandbox::SetHostSysctl{"net/ipv6/conf/all/forwarding", "1"});
}

/// A routed network's ports are opened, not translated; each family has its own mode.
std::vector<Element> endpoint_elements(const Network& network, const Endpoint& endpoint) {
  std::vector<Element> elements;
  for (const Family family : {Family::v4, Family::v6}) {
    Endpoint of_family = endpoint;
    std::erase_if(of_family.ports,
                  [&](const Port& port) { return port.host_address.family() != family; });
    const bool routed = gateway_mode(network, family) == GatewayMode::routed;
    for (Element& element : routed ? open_elements(of_family) : port_elements(of_family))
      if (std::ranges::find(elements, element) == elements.end())
        elements.push_back(std::move(element));
  }
  return elements;
}

}  // namespace

GatewayMode gateway_mode(const Network& network, Family family) {
  const std::string mode =
      text_option(network.options,
                  family == Family::v4 ? option_gateway_mode_ipv4 : option_gateway_mode_ipv6, "");
  if (mode.empty() || mode == "nat") return GatewayMode::nat;
  if (mode == "nat-unprotected") return GatewayMode::nat_unprotected;
  if (mode == "routed") return GatewayMode::routed;
  if (mode == "isolated") return GatewayMode::isolated;
  throw std::invalid_argument("unknown gateway mode " + mode);
}

Traits Bridge::traits() const {
  return {.max_pools_per_family = 1};
}

void Bridge::check_options(const Network& network) const {
  if (!network.ipv4 && !network.ipv6) throw std::invalid_argument("IPv4 or IPv6 must be enabled");
  if (network.ipv6 && !settings_.ipv6_on_host)
    throw std::invalid_argument(
        "this kernel has no IPv6 (/proc/sys/net/ipv6 is missing): create the network without "
        "--ipv6");
  if (const std::string mtu = text_option(network.options, option_mtu, ""); mtu.starts_with('-'))
    throw std::invalid_argument("invalid MTU number: " + mtu);
  int_option(network.options, option_advertise_count, 3, 0, 3);
  int_option(network.options, option_advertise_interval, 1000, 100, 2000);
  for (const auto key : {option_masquerade, option_icc, option_inhibit_ipv4, option_default_bridge,
                         option_gateway_dns})
    bool_option(network.options, key, true);
  for (const auto key : {option_host_ipv4, option_host_ipv6, option_host_binding_ipv4})
    address_option(network.options, key);
  check_route_options(network.options);
  vlan_of(network);
  if (is_unmanaged(network)) {
    check_unmanaged(network);
  } else {
    for (const auto key : {option_accept_ra, option_detect_conflicts})
      if (bool_option(network.options, key, false))
        throw std::invalid_argument(
            fmt::format("{} is of networks on a LAN: macvlan, or a bridge with {}=true", key,
                        option_unmanaged));
  }
  check_interface_name("bridge name", link_name(network));
  // With room for a number.
  check_interface_name("interface prefix", interface_prefix(network) + "00");
  const int mtu = int_option(network.options, option_mtu, 0, 0, 65535);
  const int least = network.ipv6 ? 1280 : 68;  // RFC 8200 5, RFC 791 3.2
  if (mtu != 0 && mtu < least)
    throw std::invalid_argument(
        fmt::format("invalid MTU number: {} is below {}, the least for this network", mtu, least));
  for (const Family family : {Family::v4, Family::v6})
    check_gateway_mode(network, family);
}

std::optional<ipam::Address> Bridge::dns_address(const Network& network) const {
  if (!bool_option(network.options, option_gateway_dns, false)) return std::nullopt;
  const auto own = bridge_address(network, Family::v4);
  return own ? std::optional(own->address) : std::nullopt;
}

std::vector<std::string> Bridge::check_network(const Network& network) const {
  check_options(network);
  for (const Family family : {Family::v4, Family::v6})
    check_pools(network, family);
  if (bool_option(network.options, option_gateway_dns, false) && !dns_address(network))
    throw std::invalid_argument(
        fmt::format("{}: the bridge has no IPv4 address to listen at", option_gateway_dns));
  return warn_unknown(network.options, network_options, name());
}

std::vector<std::string> Bridge::check_endpoint(const Network&, const Endpoint& endpoint) const {
  endpoint_sysctls(endpoint.options, endpoint.sandbox_link);
  int_option(endpoint.options, option_advertise_count, 3, 0, 3);
  int_option(endpoint.options, option_advertise_interval, 1000, 100, 2000);
  return warn_unknown(endpoint.options, endpoint_options, name());
}

std::string Bridge::link_name(const Network& network) const {
  const std::string given = text_option(network.options, option_bridge_name, "");
  return given.empty() ? "br-" + network.id.substr(0, 12) : given;
}

bool Bridge::wants_gateway(const Network& network, Family family) const {
  if (is_unmanaged(network)) return false;
  if (gateway_mode(network, family) == GatewayMode::isolated) return false;
  return !(family == Family::v4 && network.internal &&
           bool_option(network.options, option_inhibit_ipv4, false));
}

std::optional<ipam::Address> Bridge::gateway(const Network& network, const Endpoint& endpoint,
                                             Family family) const {
  if (endpoint.learned && family == Family::v4)
    return network.internal ? std::nullopt : endpoint.learned->gateway;
  const Pool* pool = pool_of(network, family);
  if (network.internal || !enabled(network, family) || !pool) return std::nullopt;
  const auto other =
      pool->auxiliary.find(family == Family::v4 ? "DefaultGatewayIPv4" : "DefaultGatewayIPv6");
  return other != pool->auxiliary.end() ? other->second : pool->gateway;
}

std::string Bridge::full(const Network&, std::size_t endpoints) const {
  constexpr std::size_t most = 1023;  // BR_MAX_PORTS - 1, net/bridge/br_private.h
  if (endpoints < most) return {};
  return fmt::format("a Linux bridge holds {} endpoints; spread them over several networks", most);
}

bool Bridge::publishes(const Network& network) const {
  return !is_unmanaged(network);
}

/// Without a gateway on somebody else's bridge, everything is on the link.
std::optional<DefaultRoute> Bridge::offered_route(const Network& network, const Endpoint& endpoint,
                                                  Family family) const {
  const bool has_address = (family == Family::v4 ? endpoint.ipv4 : endpoint.ipv6).has_value();
  if (!is_unmanaged(network) || network.internal || !has_address)
    return Driver::offered_route(network, endpoint, family);
  return DefaultRoute{.gateway = gateway(network, endpoint, family),
                      .link_index = endpoint.sandbox_index};
}

bool Bridge::maps_ports(const Network& network, Family family) const {
  return gateway_mode(network, family) != GatewayMode::routed;
}

sandbox::Plan Bridge::network_plan(const Network& network) const {
  sandbox::Plan plan;
  if (is_unmanaged(network)) return plan;
  const auto mtu = static_cast<std::uint32_t>(int_option(network.options, option_mtu, 0, 0, 65535));
  if (!network.adopted_link)
    plan.push_back(sandbox::CreateBridge{.name = network.link_name,
                                         .index = network.link_index,
                                         .mac = network.link_mac,
                                         .vlan = vlan_of(network)});
  if (network.ipv6) {
    // The kernel forwards IPv6 out of a link only once its link-local address has passed DAD.
    for (const char* key : {"accept_ra", "accept_dad"})
      plan.push_back(
          sandbox::SetSysctl{.netns = "",
                             .key = fmt::format("net/ipv6/conf/{}/{}", network.link_name, key),
                             .value = "0"});
  }
  sandbox::SetLink link{.netns = "", .index = network.link_index, .up = true};
  if (!network.adopted_link) {
    link.alias = "netd:" + network.id;
    if (mtu != 0) link.mtu = mtu;
    link.ipv6_link_local = network.ipv6;
  }
  if (network.vrf_index != 0) link.master = network.vrf_index;
  plan.push_back(link);
  for (const Family family : {Family::v4, Family::v6})
    if (const auto address = bridge_address(network, family);
        address && !(network.adopted_link && network.adopted_addresses.contains(*address)))
      plan.push_back(
          sandbox::AddAddress{.netns = "", .index = network.link_index, .address = *address});
  add_forwarding(network, settings_, plan);
  if (network.beside_engine) plan.push_back(sandbox::AdmitForwarding{network.link_name});
  plan.push_back(sandbox::AddElements{network_elements(network)});
  return plan;
}

sandbox::Plan Bridge::endpoint_plan(const Network& network, const Endpoint& endpoint,
                                    const Sandbox& sandbox) const {
  sandbox::Plan plan;
  const auto mtu = static_cast<std::uint32_t>(int_option(network.options, option_mtu, 0, 0, 65535));
  add_bridge_port(network, endpoint, sandbox, mtu, plan);
  // A packet that a container sends to its own published port comes back out of its own bridge
  // port.
  plan.push_back(
      sandbox::SetBridgePort{.index = endpoint.host_index,
                             .isolated = !bool_option(network.options, option_icc, true),
                             .hairpin = !endpoint.ports.empty(),
                             .vlan = network.adopted_link ? vlan_of(network) : std::uint16_t{0}});
  if (!sandbox.handed_over) {
    add_interior(network, endpoint, sandbox, plan);
    add_routes(routes(network, endpoint), endpoint, sandbox, plan);
  }
  if (is_unmanaged(network)) return plan;
  if (auto elements = endpoint_elements(network, endpoint); !elements.empty())
    plan.push_back(sandbox::AddElements{std::move(elements)});
  return plan;
}

}  // namespace drivers
