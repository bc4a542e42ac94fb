// The bridge driver: one Linux bridge a network, one veth pair an endpoint, published ports and
// isolation as elements of netd's nft table. Options: docs/drivers/bridge.md.
#pragma once

#include "drivers/driver.h"

namespace drivers {

/// What the daemon's configuration says to all bridges.
struct BridgeSettings {
  bool ip_forward = true;    // turn forwarding on with the first network that needs it
  bool ipv6_on_host = true;  // the kernel has IPv6
};

class Bridge : public Driver {
 public:
  explicit Bridge(BridgeSettings settings) : settings_(settings) {}

  std::string_view name() const override { return "bridge"; }
  Traits traits() const override;
  void check_options(const Network& network) const override;
  std::vector<std::string> check_network(const Network& network) const override;
  std::vector<std::string> check_endpoint(const Network& network,
                                          const Endpoint& endpoint) const override;
  std::string link_name(const Network& network) const override;
  bool wants_gateway(const Network& network, ipam::Family family) const override;
  std::optional<ipam::Address> gateway(const Network& network, const Endpoint& endpoint,
                                       ipam::Family family) const override;
  std::optional<ipam::Address> dns_address(const Network& network) const override;
  bool publishes(const Network& network) const override;
  std::string full(const Network& network, std::size_t endpoints) const override;
  bool maps_ports(const Network& network, ipam::Family family) const override;
  sandbox::Plan network_plan(const Network& network) const override;
  sandbox::Plan endpoint_plan(const Network& network, const Endpoint& endpoint,
                              const Sandbox& sandbox) const override;

 protected:
  std::optional<DefaultRoute> offered_route(const Network& network, const Endpoint& endpoint,
                                            ipam::Family family) const override;

 private:
  BridgeSettings settings_;
};

/// How a network's addresses are reached from outside (libnetwork.md 1.2, gateway modes).
enum class GatewayMode { nat, nat_unprotected, routed, isolated };

/// Throws std::invalid_argument "unknown gateway mode X".
GatewayMode gateway_mode(const Network& network, ipam::Family family);

}  // namespace drivers
