// What a VXLAN link of the host is, as the kernel tells it and as a plan makes it.
#pragma once

#include <cstdint>
#include <string>

#include "ipam/address.h"
#include "sandbox/plan.h"

namespace sandbox {

class Kernel;

/// The defaults are what netd makes (plan.h, CreateVxlan).
struct Vxlan {
  std::string name;
  std::uint32_t index = 0;
  ipam::Mac mac;
  std::string alias;
  std::uint32_t mtu = 0;
  std::uint32_t vni = 0;
  std::uint16_t port = 0;
  ipam::Address local;  // 0.0.0.0 when it has none
  std::uint32_t master = 0;
  bool up = false;

  bool learns = false;
  bool external = false;        // collect metadata: one link for all VNIs
  bool checksum = false;        // outer UDP checksum on IPv4
  bool zero_checksum6 = false;  // IPv6 without one, sent or taken
  std::uint8_t ttl = 64;
  std::uint8_t df = 0;  // VXLAN_DF_UNSET (linux/if_link.h)

  SetBridgePort port_flags;  // without VLAN; the defaults when it is no bridge port
  friend bool operator==(const Vxlan&, const Vxlan&) = default;
};

/// What the plan of an overlay network makes of its VXLAN link `step`.
Vxlan planned_vxlan(const Plan& plan, const CreateVxlan& step);

/// What has to be made again of an overlay network's plan: the steps about its VXLAN link when that
/// is missing or anything of it differs, all steps about both links when it is the bridge that is,
/// nothing when both are as planned. To replace: transition(kernel, steps, {}), then
/// transition(kernel, {}, steps); ports of endpoints have to be put into a new bridge after that.
/// A link of that name that isn't netd's is left alone: making ours is then refused (EEXIST).
Plan out_of_place(Kernel& kernel, const Plan& plan);

}  // namespace sandbox
