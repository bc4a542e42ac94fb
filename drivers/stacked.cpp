#include "drivers/stacked.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "drivers/interior.h"
#include "drivers/options.h"
#include "drivers/routes.h"

namespace drivers {
namespace {

using ipam::Family;

constexpr std::uint16_t highest_vlan = 4094;  // IEEE 802.1Q

const Pool* pool_with(const Network& network, const std::optional<ipam::Prefix>& address) {
  if (!address) return nullptr;
  const auto found = std::ranges::find_if(
      network.pools, [&](const Pool& pool) { return pool.subnet.contains(address->address); });
  return found == network.pools.end() ? nullptr : &*found;
}

void check_pools(const Network& network) {
  if (network.leased) return;
  for (const Family family : {Family::v4, Family::v6}) {
    if (!(family == Family::v4 ? network.ipv4 : network.ipv6)) continue;
    const auto is_usable = [&](const Pool& pool) {
      return pool.subnet.family() == family && pool.subnet.length > 0;
    };
    if (std::ranges::none_of(network.pools, is_usable))
      throw std::invalid_argument(
          fmt::format("{} pool is empty", family == Family::v4 ? "ipv4" : "ipv6"));
  }
  for (const Pool& pool : network.pools)
    if (pool.gateway && !pool.subnet.contains(*pool.gateway))
      throw std::invalid_argument("default gateway ip must be part of the network");
}

/// The parent, where netd makes it.
void add_parent(const Network& network, sandbox::Plan& plan) {
  const Parent& parent = *network.parent;
  if (parent.kind == "veth") {
    plan.push_back(sandbox::CreateVeth{.name = network.link_name,
                                       .index = network.link_index,
                                       .mac = network.link_mac,
                                       .netns = "",
                                       .peer_name = "dp-" + network.id.substr(0, 12),
                                       .peer_index = parent.peer,
                                       .peer_mac = network.link_mac});
    // It has a carrier only while both ends are up.
    plan.push_back(
        sandbox::SetLink{.netns = "", .index = parent.peer, .ipv6_link_local = false, .up = true});
  } else {
    plan.push_back(sandbox::CreateLink{.kind = parent.kind,
                                       .name = network.link_name,
                                       .index = network.link_index,
                                       .netns = "",
                                       .parent = parent.base,
                                       .vlan = parent.vlan});
  }
  const bool shared = parent.kind == "vlan";
  plan.push_back(sandbox::SetLink{.netns = "",
                                  .index = network.link_index,
                                  .alias = shared ? std::string(vlan_alias) : "netd:" + network.id,
                                  .ipv6_link_local = false,
                                  .up = true});
}

ipam::Prefix alone(const ipam::Address& address) {
  return {address, address.bits()};
}

/// The host's link on the network; the containers' addresses are routed to it one by one.
void add_host_link(const Network& network, sandbox::CreateLink link, sandbox::Plan& plan) {
  const HostAccess& access = *network.parent->host_access;
  link.name = access.link;
  link.index = access.index;
  link.mac = access.mac;
  plan.push_back(std::move(link));
  plan.push_back(sandbox::SetLink{.netns = "",
                                  .index = access.index,
                                  .alias = "netd:" + network.id,
                                  .ipv6_link_local = network.ipv6,
                                  .up = true});
  for (const ipam::Address& address : access.addresses)
    plan.push_back(
        sandbox::AddAddress{.netns = "", .index = access.index, .address = alone(address)});
}

/// From the host to the endpoint.
void add_way_in(const HostAccess& access, const Endpoint& endpoint, sandbox::Plan& plan) {
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address)
      plan.push_back(sandbox::AddRoute{
          .netns = "", .destination = alone(address->address), .index = access.index});
}

}  // namespace

VlanName parse_vlan_name(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  VlanName vlan;
  if (dot != std::string::npos) {
    vlan.base = name.substr(0, dot);
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + dot + 1, end, vlan.id);
    if (error == std::errc() && rest == end && vlan.id >= 1 && vlan.id <= highest_vlan &&
        !vlan.base.empty())
      return vlan;
  }
  throw std::invalid_argument(fmt::format(
      "invalid subinterface vlan name {}, example formatting is eth0.10 (ids 1 to 4094)", name));
}

Traits Stacked::traits() const {
  return {.has_host_link = false, .on_parent = true, .publishes = false};
}

void Stacked::check_options(const Network& network) const {
  if (!network.ipv4 && !network.ipv6) throw std::invalid_argument("IPv4 or IPv6 must be enabled");
  const std::string parent = text_option(network.options, option_parent, "");
  if (parent == "lo")
    throw std::invalid_argument(
        fmt::format("loopback interface is not a valid {} parent link", name()));
  if (!parent.empty()) check_interface_name("parent", parent);
  check_interface_name("interface prefix", interface_prefix(network) + "00");
  int_option(network.options, option_mtu, 0, 0, 65535);
  check_route_options(network.options);
  for (const auto key : {option_accept_ra, option_detect_conflicts})
    bool_option(network.options, key, false);
  if (bool_option(network.options, option_host_access, false)) {
    if (parent.empty() || network.internal)
      throw std::invalid_argument(
          fmt::format("{}: an internal network has no way to the host", option_host_access));
    if (const std::string why = no_host_access(network); !why.empty())
      throw std::invalid_argument(fmt::format("{}: {}", option_host_access, why));
  }
}

std::vector<std::string> Stacked::check_network(const Network& network) const {
  check_options(network);
  check_pools(network);
  std::vector<std::string_view> known{
      option_accept_ra,   option_detect_conflicts, option_metric,     option_no_default_route,
      option_routes,      option_parent,           option_mtu,        option_interface_prefix,
      option_enable_ipv4, option_enable_ipv6,      option_host_access};
  std::ranges::move(mode_options(), std::back_inserter(known));
  return warn_unknown(network.options, known, name());
}

std::vector<std::string> Stacked::check_endpoint(const Network&, const Endpoint& endpoint) const {
  endpoint_sysctls(endpoint.options, endpoint.sandbox_link);
  if (endpoint.options.contains(std::string(option_host_interface)))
    throw std::invalid_argument(fmt::format(
        "{}: endpoints of driver {} have no interface on the host", option_host_interface, name()));
  constexpr std::array known{option_endpoint_interface, option_endpoint_sysctls,
                             option_advertise_count, option_advertise_interval};
  return warn_unknown(endpoint.options, known, name());
}

std::string Stacked::no_sharing(const Network&, const Network& other) const {
  if (other.driver == name()) return {};
  return fmt::format(
      "{} network {} is already using parent interface {}, which can't have {} links too",
      other.driver, other.name, other.link_name, name());
}

std::string Stacked::link_name(const Network& network) const {
  const std::string parent = text_option(network.options, option_parent, "");
  return parent.empty() ? std::string(own_parent_prefix()) + network.id.substr(0, 12) : parent;
}

std::optional<ipam::Address> Stacked::gateway(const Network& network, const Endpoint& endpoint,
                                              Family family) const {
  if (network.internal) return std::nullopt;
  if (endpoint.learned && family == Family::v4) return endpoint.learned->gateway;
  const Pool* pool = pool_with(network, family == Family::v4 ? endpoint.ipv4 : endpoint.ipv6);
  return pool ? pool->gateway : std::nullopt;
}

std::optional<DefaultRoute> Stacked::offered_route(const Network& network, const Endpoint& endpoint,
                                                   Family family) const {
  const bool has_address = (family == Family::v4 ? endpoint.ipv4 : endpoint.ipv6).has_value();
  if (network.internal || !has_address) return std::nullopt;
  return DefaultRoute{.gateway = gateway(network, endpoint, family),
                      .link_index = endpoint.sandbox_index};
}

/// To the addresses that the host has on the parent, through its link on the network.
std::vector<StaticRoute> Stacked::routes(const Network& network, const Endpoint& endpoint) const {
  std::vector<StaticRoute> routes = Driver::routes(network, endpoint);
  if (!network.parent->host_access) return routes;
  const HostAccess& access = *network.parent->host_access;
  for (const ipam::Address& next_hop : access.addresses)
    for (const ipam::Address& host : access.host_addresses)
      if (host.family() == next_hop.family() &&
          (host.is_v4() ? endpoint.ipv4 : endpoint.ipv6).has_value())
        routes.push_back({alone(host), next_hop});
  return routes;
}

sandbox::CreateLink Stacked::link_of(const Network& network) const {
  sandbox::CreateLink link;
  link.kind = name();
  link.parent = network.link_index;
  link.mtu = static_cast<std::uint32_t>(int_option(network.options, option_mtu, 0, 0, 65535));
  set_mode(network, link);
  return link;
}

sandbox::Plan Stacked::network_plan(const Network& network) const {
  sandbox::Plan plan;
  if (!network.adopted_link) add_parent(network, plan);
  if (network.parent->host_access) add_host_link(network, link_of(network), plan);
  return plan;
}

sandbox::Plan Stacked::endpoint_plan(const Network& network, const Endpoint& endpoint,
                                     const Sandbox& sandbox) const {
  sandbox::Plan plan;
  sandbox::CreateLink link = link_of(network);
  link.name = endpoint.sandbox_link;
  link.index = endpoint.sandbox_index;
  link.mac = endpoint.mac;
  link.netns = sandbox.netns;
  plan.push_back(std::move(link));
  if (endpoint.sandbox_index != 0)
    plan.push_back(sandbox::SetLink{
        .netns = sandbox.netns, .index = endpoint.sandbox_index, .alias = "netd:" + endpoint.id});
  if (!sandbox.handed_over) {
    add_interior(network, endpoint, sandbox, plan);
    add_routes(routes(network, endpoint), endpoint, sandbox, plan);
  }
  if (network.parent->host_access) add_way_in(*network.parent->host_access, endpoint, plan);
  return plan;
}

}  // namespace drivers
