#include "drivers/overlay.h"

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
using sandbox::LinkIndex;

constexpr std::uint32_t highest_vni = (1u << 24) - 1;  // RFC 7348 5
constexpr int least_mtu = 68;                          // RFC 791
constexpr std::uint32_t least_mtu6 = 1280;             // RFC 8200 5

constexpr std::array network_options{option_metric,    option_no_default_route, option_routes,
                                     option_mtu,       option_enable_ipv4,      option_enable_ipv6,
                                     option_vni,       option_vxlan_ids,        option_flood,
                                     option_encrypted, option_interface_prefix, option_gateway_dns};

constexpr std::array endpoint_options{option_endpoint_interface, option_endpoint_sysctls,
                                      option_advertise_count, option_advertise_interval,
                                      option_host_interface};

std::string_view key_of_vni(const Options& options) {
  return options.contains(std::string(option_vni)) ? option_vni : option_vxlan_ids;
}

std::uint32_t parse_vni(std::string_view key, std::string_view text) {
  std::uint32_t vni = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, vni);
  if (error != std::errc() || rest != end || vni == 0 || vni > highest_vni)
    throw std::invalid_argument(
        fmt::format("failed to parse {} value: {} (a VNI is 1 to {})", key, text, highest_vni));
  return vni;
}

/// "4097,4098"
std::vector<std::uint32_t> vnis_of(const Options& options) {
  std::vector<std::uint32_t> vnis;
  const std::string_view key = key_of_vni(options);
  const auto found = options.find(std::string(key));
  std::string_view rest = found == options.end() ? std::string_view() : found->second;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    vnis.push_back(parse_vni(key, rest.substr(0, comma)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return vnis;
}

bool enabled(const Network& network, Family family) {
  return family == Family::v4 ? network.ipv4 : network.ipv6;
}

void check_pools(const Network& network, Family family) {
  if (!enabled(network, family)) return;
  const auto is_usable = [&](const Pool& pool) {
    return pool.subnet.family() == family && pool.subnet.length > 0;
  };
  if (std::ranges::none_of(network.pools, is_usable))
    throw std::invalid_argument(
        fmt::format("{} pool is empty", family == Family::v4 ? "ipv4" : "ipv6"));
}

const Tunnel& tunnel_of(const Network& network) {
  if (!network.tunnel)
    throw std::invalid_argument("overlay network " + network.name +
                                " has no tunnel: the host is in no cluster");
  return *network.tunnel;
}

}  // namespace

std::string overlay_bridge(std::uint32_t vni) {
  return fmt::format("nb{:06x}", vni);
}

std::string overlay_vxlan(std::uint32_t vni) {
  return fmt::format("nx{:06x}", vni);
}

std::string overlay_dns_link(std::uint32_t vni) {
  return fmt::format("nd{:06x}", vni);
}

std::optional<std::uint32_t> vni_option(const Options& options) {
  const std::vector<std::uint32_t> vnis = vnis_of(options);
  return vnis.empty() ? std::nullopt : std::optional(vnis.front());
}

bool overlay_floods(const Network& network) {
  const std::string value = text_option(network.options, option_flood, "");
  if (value == "on") return true;
  if (value == "off") return false;
  return bool_option(network.options, option_flood, false);
}

bool overlay_is_encrypted(const Options& options) {
  const auto found = options.find(std::string(option_encrypted));
  if (found == options.end()) return false;
  return found->second.empty() || bool_option(options, option_encrypted, true);
}

std::uint32_t overlay_overhead(const Network& network, Family underlay) {
  if (!overlay_is_encrypted(network.options)) return tunnel_overhead(underlay);
  return tunnel_overhead(Family::v4) + encryption_overhead(underlay);
}

std::uint32_t overlay_mtu(const Network& network, std::uint32_t underlay_mtu, Family underlay) {
  const std::uint32_t overhead = overlay_overhead(network, underlay);
  const std::uint32_t most = underlay_mtu > overhead ? underlay_mtu - overhead : 0;
  const auto wish =
      static_cast<std::uint32_t>(int_option(network.options, option_mtu, 0, 0, 65535));
  const std::uint32_t mtu = wish == 0 ? most : wish;
  if (mtu > most)
    throw std::invalid_argument(fmt::format(
        "{} {} doesn't fit: packets between hosts have at most {} bytes, {} of them for "
        "the tunnel; give the network at most {}",
        option_mtu, mtu, underlay_mtu, overhead, most));
  if (mtu < (network.ipv6 ? least_mtu6 : least_mtu))
    throw std::invalid_argument(fmt::format(
        "an MTU of {} is too small for {}: packets between hosts have at most {} bytes, "
        "{} of them for the tunnel",
        mtu, network.ipv6 ? "IPv6" : "IPv4", underlay_mtu, overhead));
  return mtu;
}

sandbox::Element tunnel_port(std::uint16_t port) {
  return {.set = "tunnels", .key = {sandbox::PortNumber{port}}, .value = {}};
}

sandbox::Element tunnel_host(const ipam::Address& vtep) {
  return {.set = vtep.is_v4() ? "hosts4" : "hosts6", .key = {vtep}, .value = {}};
}

Traits Overlay::traits() const {
  return {.gateway_on_host = false, .publishes = false};
}

void Overlay::check_options(const Network& network) const {
  if (!network.ipv4 && !network.ipv6) throw std::invalid_argument("IPv4 or IPv6 must be enabled");
  overlay_is_encrypted(network.options);
  vnis_of(network.options);
  overlay_floods(network);
  if (bool_option(network.options, option_gateway_dns, false) && !network.ipv4)
    throw std::invalid_argument(
        fmt::format("{}: the network has no IPv4 address to listen at", option_gateway_dns));
  int_option(network.options, option_mtu, 0, least_mtu, 65535);
  check_interface_name("interface prefix", interface_prefix(network) + "00");
  check_route_options(network.options);
}

std::vector<std::string> Overlay::check_network(const Network& network) const {
  check_options(network);
  for (const Family family : {Family::v4, Family::v6})
    check_pools(network, family);
  std::vector<std::string> warnings = warn_unknown(network.options, network_options, name());
  if (vnis_of(network.options).size() > 1)
    warnings.push_back(fmt::format("{}: one VNI serves all subnets of the network: it gets {}",
                                   key_of_vni(network.options), *vni_option(network.options)));
  return warnings;
}

std::vector<std::string> Overlay::check_endpoint(const Network&, const Endpoint& endpoint) const {
  endpoint_sysctls(endpoint.options, endpoint.sandbox_link);
  int_option(endpoint.options, option_advertise_count, 3, 0, 3);
  int_option(endpoint.options, option_advertise_interval, 1000, 100, 2000);
  return warn_unknown(endpoint.options, endpoint_options, name());
}

bool Overlay::wants_gateway(const Network& network, Family family) const {
  return family == Family::v4 && bool_option(network.options, option_gateway_dns, false);
}

std::optional<ipam::Address> Overlay::dns_address(const Network& network) const {
  if (!bool_option(network.options, option_gateway_dns, false)) return std::nullopt;
  for (const Pool& pool : network.pools)
    if (pool.gateway && pool.gateway->is_v4()) return pool.gateway;
  return std::nullopt;
}

std::string Overlay::link_name(const Network& network) const {
  return network.tunnel ? overlay_bridge(network.tunnel->vni) : std::string();
}

ipam::Mac overlay_mac(const ipam::Address& ipv4) {
  ipam::Mac mac{{0x02, 0x42}};
  std::ranges::copy(ipv4.bytes(), mac.bytes.begin() + 2);
  return mac;
}

std::optional<ipam::Mac> Overlay::default_mac(const Endpoint& endpoint) const {
  if (!endpoint.ipv4) return std::nullopt;
  return overlay_mac(endpoint.ipv4->address);
}

std::vector<StaticRoute> Overlay::routes(const Network& network, const Endpoint& endpoint) const {
  std::vector<StaticRoute> routes;
  for (const Pool& pool : network.pools) {
    const auto& own = pool.subnet.address.is_v4() ? endpoint.ipv4 : endpoint.ipv6;
    if (own && !pool.subnet.contains(own->address))
      routes.push_back({.destination = pool.subnet.masked()});
  }
  std::ranges::move(Driver::routes(network, endpoint), std::back_inserter(routes));
  return routes;
}

std::string Overlay::full(const Network&, std::size_t endpoints) const {
  constexpr std::size_t most =
      1022;  // BR_MAX_PORTS - 1, net/bridge/br_private.h; one is the tunnel
  if (endpoints < most) return {};
  return fmt::format(
      "a Linux bridge holds {} endpoints of one host; spread them over several "
      "networks or hosts",
      most);
}

sandbox::Plan Overlay::network_plan(const Network& network) const {
  const Tunnel& tunnel = tunnel_of(network);
  const std::string alias = "netd:" + network.id;
  sandbox::Plan plan;
  // Before the bridge is up: the host must not take part in what containers say there.
  const LinkIndex bridge{network.link_index};
  plan.push_back(sandbox::AddElements{{{"nets", {bridge}, {}},
                                       {"internal", {bridge}, {}},
                                       {"samebr", {bridge, bridge}, {}},
                                       {"overlays", {bridge}, {}}}});
  plan.push_back(sandbox::CreateBridge{.name = network.link_name,
                                       .index = network.link_index,
                                       .mac = network.link_mac,
                                       .bare = true});
  plan.push_back(sandbox::SetLink{.netns = "",
                                  .index = network.link_index,
                                  .alias = alias,
                                  .mtu = tunnel.mtu,
                                  .ipv6_link_local = false,
                                  .up = true});
  plan.push_back(sandbox::CreateVxlan{.name = tunnel.link,
                                      .index = tunnel.index,
                                      .mac = tunnel.mac,
                                      .mtu = tunnel.mtu,
                                      .vni = tunnel.vni,
                                      .port = tunnel.port,
                                      .local = tunnel.local});
  // Into the bridge with its flags set before it is up: no frame is flooded in between.
  plan.push_back(sandbox::SetLink{.netns = "",
                                  .index = tunnel.index,
                                  .alias = alias,
                                  .master = network.link_index,
                                  .ipv6_link_local = false});
  plan.push_back(sandbox::SetBridgePort{.index = tunnel.index,
                                        .no_learning = true,
                                        .suppress_neighbours = true,
                                        .no_flood = !overlay_floods(network)});
  plan.push_back(sandbox::SetLink{.netns = "", .index = tunnel.index, .up = true});
  if (network.beside_engine) plan.push_back(sandbox::AdmitForwarding{network.link_name});
  return plan;
}

sandbox::Plan Overlay::endpoint_plan(const Network& network, const Endpoint& endpoint,
                                     const Sandbox& sandbox) const {
  sandbox::Plan plan;
  add_bridge_port(network, endpoint, sandbox, tunnel_of(network).mtu, plan);
  // The bridge takes from the container what comes from its own MAC address, nothing else.
  plan.push_back(
      sandbox::SetBridgePort{.index = endpoint.host_index, .no_learning = true, .locked = true});
  plan.push_back(sandbox::AddFdbEntry{.index = endpoint.host_index, .mac = endpoint.mac});
  if (sandbox.handed_over) return plan;
  add_interior(network, endpoint, sandbox, plan);
  add_routes(routes(network, endpoint), endpoint, sandbox, plan);
  return plan;
}

}  // namespace drivers
