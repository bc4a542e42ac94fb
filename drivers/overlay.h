// The overlay driver: one network on many hosts, as frames in VXLAN tunnels (RFC 7348). A bridge
// and a VXLAN link a network, a veth pair an endpoint. What is on other hosts is not in these
// plans: the controller's PeerTable (sandbox/peers.h) follows it. Options: docs/drivers/overlay.md.
#pragma once

#include "drivers/driver.h"

namespace drivers {

class Overlay : public Driver {
 public:
  std::string_view name() const override { return "overlay"; }
  Traits traits() const override;
  void check_options(const Network& network) const override;
  std::vector<std::string> check_network(const Network& network) const override;
  std::vector<std::string> check_endpoint(const Network& network,
                                          const Endpoint& endpoint) const override;
  /// "nb001000" of VNI 4096; empty while the network has no tunnel.
  std::string link_name(const Network& network) const override;
  std::optional<ipam::Mac> default_mac(const Endpoint& endpoint) const override;
  /// Out of the cluster goes another network: a bridge that the controller adds to the sandbox.
  /// Only the network's own DNS server has an address that is no container's, on all hosts the
  /// same.
  bool wants_gateway(const Network& network, ipam::Family family) const override;
  std::optional<ipam::Address> gateway(const Network&, const Endpoint&,
                                       ipam::Family) const override {
    return std::nullopt;
  }
  /// To the network's other subnets as well, on the link.
  std::vector<StaticRoute> routes(const Network& network, const Endpoint& endpoint) const override;
  std::optional<ipam::Address> dns_address(const Network& network) const override;
  std::string full(const Network& network, std::size_t endpoints) const override;
  sandbox::Plan network_plan(const Network& network) const override;
  sandbox::Plan endpoint_plan(const Network& network, const Endpoint& endpoint,
                              const Sandbox& sandbox) const override;
};

/// Names of the links of the network with that VNI: "nb001000", "nx001000".
std::string overlay_bridge(std::uint32_t vni);
std::string overlay_vxlan(std::uint32_t vni);

/// The link that leads to the network's DNS server: "nd001000".
std::string overlay_dns_link(std::uint32_t vni);

/// 02:42 and the address, as Docker's: an address that comes back brings its MAC address along, so
/// that what other containers remember stays right.
ipam::Mac overlay_mac(const ipam::Address& ipv4);

/// The VNI that the options ask for; nothing: any. One VNI serves all subnets of a network: of a
/// list (Docker: one for each subnet) it is the first. Throws std::invalid_argument.
std::optional<std::uint32_t> vni_option(const Options& options);

/// Whether unknown destinations, multicast and broadcast go to all hosts of the network.
/// Throws std::invalid_argument.
bool overlay_floods(const Network& network);

/// What tunnels add to a packet: Ethernet 14, VXLAN 8, UDP 8, and IP.
constexpr std::uint32_t tunnel_overhead(ipam::Family underlay) {
  return 14 + 8 + 8 + (underlay == ipam::Family::v4 ? 20 : 40);
}

/// What encryption adds besides: WireGuard's data header and tag 32, UDP 8, and IP.
constexpr std::uint32_t encryption_overhead(ipam::Family underlay) {
  return 16 + 16 + 8 + (underlay == ipam::Family::v4 ? 20 : 40);
}

/// Whether what the network's containers say is encrypted between hosts. Docker takes the bare key
/// as yes. Throws std::invalid_argument.
bool overlay_is_encrypted(const Options& options);

/// What is added to a packet of a network between hosts. Encrypted tunnels run over IPv4 inside
/// the encryption, whatever the underlay is.
std::uint32_t overlay_overhead(const Network& network, ipam::Family underlay);

/// The MTU that the options ask for, or what fits into `underlay_mtu`. Throws std::invalid_argument
/// when the wish doesn't fit, or the result is too small for the network's families.
std::uint32_t overlay_mtu(const Network& network, std::uint32_t underlay_mtu,
                          ipam::Family underlay);

/// The elements that let the tunnels of a cluster's hosts in, and nobody else's (docs/nftables.md).
/// Of the host's membership, not of a network: they stand before the first tunnel does.
sandbox::Element tunnel_port(std::uint16_t port);
sandbox::Element tunnel_host(const ipam::Address& vtep);

}  // namespace drivers
