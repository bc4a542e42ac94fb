// The driver of networks whose data plane belongs to a plugin: it translates what the plugin
// answered (Endpoint::joined) into steps, and asks nobody. The calls are in netd/plugin.
#pragma once

#include "drivers/driver.h"

namespace drivers {

class Remote : public Driver {
 public:
  std::string_view name() const override { return "remote"; }
  Traits traits() const override;
  /// Options are the plugin's business.
  std::vector<std::string> check_network(const Network&) const override { return {}; }
  std::vector<std::string> check_endpoint(const Network& network,
                                          const Endpoint& endpoint) const override;
  std::string link_name(const Network&) const override { return ""; }
  bool wants_gateway(const Network&, ipam::Family) const override { return true; }
  std::optional<ipam::Address> gateway(const Network& network, const Endpoint& endpoint,
                                       ipam::Family family) const override;
  std::vector<StaticRoute> routes(const Network& network, const Endpoint& endpoint) const override;
  sandbox::Plan network_plan(const Network&) const override { return {}; }
  /// Empty until the plugin has answered, and when it moves its interface itself.
  sandbox::Plan endpoint_plan(const Network& network, const Endpoint& endpoint,
                              const Sandbox& sandbox) const override;
};

}  // namespace drivers
