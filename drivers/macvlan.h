// The macvlan driver: each endpoint is a link with a MAC address of its own on the parent's LAN.
// Options: docs/drivers/macvlan.md.
#pragma once

#include "drivers/stacked.h"

namespace drivers {

class Macvlan : public Stacked {
 public:
  std::string_view name() const override { return "macvlan"; }
  void check_options(const Network& network) const override;
  /// passthru: the parent takes one endpoint.
  std::string full(const Network& network, std::size_t endpoints) const override;
  std::string no_host_access(const Network& network) const override;
  /// passthru shares with nobody.
  std::string no_sharing(const Network& network, const Network& other) const override;

 protected:
  void set_mode(const Network& network, sandbox::CreateLink& link) const override;
  std::string_view own_parent_prefix() const override { return "dm-"; }
  std::vector<std::string_view> mode_options() const override;
};

}  // namespace drivers
