// The drivers that make nothing: a sandbox on `host` lives in netd's own network namespace, one on
// `null` (network `none`) has a loopback interface and nothing else.
#pragma once

#include <string>
#include <utility>

#include "drivers/driver.h"

namespace drivers {

class Linkless : public Driver {
 public:
  explicit Linkless(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
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

 private:
  std::string name_;
};

}  // namespace drivers
