// What macvlan and ipvlan have in common: endpoints that are links stacked on a parent link of the
// host's, so that containers sit on the host's LAN themselves (docs/drivers/macvlan.md, ipvlan.md).
#pragma once

#include "drivers/driver.h"

namespace drivers {

/// The alias of the 802.1Q links that netd makes: they are of no one network.
inline constexpr std::string_view vlan_alias = "netd:vlan";

/// "eth0.42": the 802.1Q link with id 42 on eth0, as netd makes it where it is missing.
struct VlanName {
  std::string base;
  std::uint16_t id = 0;
};

/// Throws std::invalid_argument for what is no such name.
VlanName parse_vlan_name(const std::string& name);

class Stacked : public Driver {
 public:
  Traits traits() const override;
  void check_options(const Network& network) const override;
  std::vector<std::string> check_network(const Network& network) const override;
  std::vector<std::string> check_endpoint(const Network& network,
                                          const Endpoint& endpoint) const override;
  /// The parent that the user named; else one of netd's own, which leads nowhere.
  std::string link_name(const Network& network) const override;
  /// The kernel hands a parent's frames to one kind of link only.
  std::string no_sharing(const Network& network, const Network& other) const override;
  bool wants_gateway(const Network&, ipam::Family) const override { return false; }
  /// That of the subnet that the endpoint's address is of.
  std::optional<ipam::Address> gateway(const Network& network, const Endpoint& endpoint,
                                       ipam::Family family) const override;
  std::vector<StaticRoute> routes(const Network& network, const Endpoint& endpoint) const override;
  bool maps_ports(const Network&, ipam::Family) const override { return false; }
  sandbox::Plan network_plan(const Network& network) const override;
  sandbox::Plan endpoint_plan(const Network& network, const Endpoint& endpoint,
                              const Sandbox& sandbox) const override;

  /// Why the host can't have a link of its own on the network; empty = it can.
  virtual std::string no_host_access(const Network& network) const = 0;

 protected:
  /// Without a gateway: everything is on the link.
  std::optional<DefaultRoute> offered_route(const Network& network, const Endpoint& endpoint,
                                            ipam::Family family) const override;
  /// Sets the link's mode, and what else its kind has.
  virtual void set_mode(const Network& network, sandbox::CreateLink& link) const = 0;
  /// Of the name of a parent that netd makes.
  virtual std::string_view own_parent_prefix() const = 0;
  /// Those of the driver alone.
  virtual std::vector<std::string_view> mode_options() const = 0;

 private:
  /// A link of the network's kind and mode on its parent.
  sandbox::CreateLink link_of(const Network& network) const;
};

}  // namespace drivers
