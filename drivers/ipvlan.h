// The ipvlan driver: endpoints share the parent's MAC address; the kernel tells them apart by IP
// address. l2 switches, l3 and l3s route. Options: docs/drivers/ipvlan.md.
#pragma once

#include "drivers/stacked.h"

namespace drivers {

class Ipvlan : public Stacked {
 public:
  std::string_view name() const override { return "ipvlan"; }
  Traits traits() const override;
  void check_options(const Network& network) const override;
  /// In l3 and l3s nothing: the kernel routes by itself.
  std::optional<ipam::Address> gateway(const Network& network, const Endpoint& endpoint,
                                       ipam::Family family) const override;
  std::string no_host_access(const Network& network) const override;
  /// One network a parent: mode and flag are the parent's.
  std::string no_sharing(const Network& network, const Network& other) const override;

 protected:
  void set_mode(const Network& network, sandbox::CreateLink& link) const override;
  std::string_view own_parent_prefix() const override { return "di-"; }
  std::vector<std::string_view> mode_options() const override;
};

}  // namespace drivers
