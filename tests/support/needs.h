// What not every kernel has. A test that needs it runs where it is: on this machine's kernel, or on
// the second one (tests/kernel), which has all of them. So no test is skipped everywhere.
#pragma once

#include <string_view>

namespace tests {

enum class Feature {
  bridge_vlans,  ///< vlan_filtering of bridges
  dummy,
  ipvlan,
  sctp,
  vlan,  ///< 802.1Q
  vrf,
};

/// "ipvlan"
std::string_view name(Feature feature);

/// Whether the running kernel has it, found by trying, in a network namespace made for that. Needs
/// root.
bool has(Feature feature);

/// True if the running kernel lacks the feature: the test is marked as skipped then and has to
/// return. Inside the second kernel (NETD_TEST_KERNEL is set) it is marked as failed instead, for
/// nobody else would run it.
///
///     TEST_F(Ipvlan, RoutesInL3) {
///       if (lacks(Feature::ipvlan)) return;
[[nodiscard]] bool lacks(Feature feature);

}  // namespace tests
