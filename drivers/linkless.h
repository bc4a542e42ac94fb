// The host driver: a sandbox on it lives in netd's own network namespace. Nothing to make.
#pragma once

#include "drivers/driver.h"

namespace drivers {

class Host : public Driver {
 public:
  std::string_view name() const override { return "host"; }
  Traits traits() const override;
  std::vector<std::string> check_network(const Network& network) const override;
  std::vector<std::string> check_endpoint(const Network& network,
                                          const Endpoint& endpoint) const override;
  std::string link_name(const Network&) const override { return ""; }
  bool wants_gateway(const Network&, ipam::Family) const override { return false; }
  std::optional<ipam::Address> gateway(const Network&, const Endpoint&,
                                       ipam::Family) const override {
    return {};
  }
  sandbox::Plan network_plan(const Network&) const override { return {}; }
  sandbox::Plan endpoint_plan(const Network&, const Endpoint&, const Sandbox&) const override {
    return {};
  }
};

}  // namespace drivers
