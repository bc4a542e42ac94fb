// Typed reading of the options users give with -o and --driver-opt, under Docker's key names
// (libnetwork's labels, daemon/libnetwork/netlabel).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"

namespace drivers {

inline constexpr std::string_view option_mtu = "com.docker.network.driver.mtu";
inline constexpr std::string_view option_interface_prefix =
    "com.docker.network.container_iface_prefix";
inline constexpr std::string_view option_host_ipv4 = "com.docker.network.host_ipv4";
inline constexpr std::string_view option_host_ipv6 = "com.docker.network.host_ipv6";
inline constexpr std::string_view option_enable_ipv4 = "com.docker.network.enable_ipv4";
inline constexpr std::string_view option_enable_ipv6 = "com.docker.network.enable_ipv6";

inline constexpr std::string_view option_bridge_name = "com.docker.network.bridge.name";
inline constexpr std::string_view option_masquerade =
    "com.docker.network.bridge.enable_ip_masquerade";
inline constexpr std::string_view option_icc = "com.docker.network.bridge.enable_icc";
inline constexpr std::string_view option_gateway_mode_ipv4 =
    "com.docker.network.bridge.gateway_mode_ipv4";
inline constexpr std::string_view option_gateway_mode_ipv6 =
    "com.docker.network.bridge.gateway_mode_ipv6";
inline constexpr std::string_view option_inhibit_ipv4 = "com.docker.network.bridge.inhibit_ipv4";
inline constexpr std::string_view option_default_bridge =
    "com.docker.network.bridge.default_bridge";
inline constexpr std::string_view option_host_binding_ipv4 =
    "com.docker.network.bridge.host_binding_ipv4";

inline constexpr std::string_view option_endpoint_interface = "com.docker.network.endpoint.ifname";
inline constexpr std::string_view option_endpoint_sysctls = "com.docker.network.endpoint.sysctls";
inline constexpr std::string_view option_advertise_count =
    "com.docker.network.advertise_addr_nmsgs";
inline constexpr std::string_view option_advertise_interval =
    "com.docker.network.advertise_addr_ms";

/// A bridge network's own DNS server at its gateway address, for those who don't ask 127.0.0.11.
inline constexpr std::string_view option_gateway_dns = "io.netd.gateway_dns";

/// Of all networks that have links (docs/drivers/common.md); the last is an attachment's.
inline constexpr std::string_view option_metric = "io.netd.metric";
inline constexpr std::string_view option_no_default_route = "io.netd.no_default_route";
inline constexpr std::string_view option_routes = "io.netd.routes";
inline constexpr std::string_view option_host_interface = "io.netd.host_interface_name";

/// Of bridge networks; the unmanaged ones are somebody else's bridges.
inline constexpr std::string_view option_vrf = "io.netd.vrf";
inline constexpr std::string_view option_vlan = "io.netd.vlan";
inline constexpr std::string_view option_unmanaged = "io.netd.unmanaged";

/// Of networks whose containers are on a LAN: macvlan, ipvlan, unmanaged bridges.
inline constexpr std::string_view option_accept_ra = "io.netd.accept_ra";
inline constexpr std::string_view option_detect_conflicts = "io.netd.detect_conflicts";

/// Of macvlan and ipvlan networks (docs/drivers/).
inline constexpr std::string_view option_parent = "parent";
inline constexpr std::string_view option_macvlan_mode = "macvlan_mode";
inline constexpr std::string_view option_macvlan_sources = "io.netd.macvlan_sources";
inline constexpr std::string_view option_ipvlan_mode = "ipvlan_mode";
inline constexpr std::string_view option_ipvlan_flag = "ipvlan_flag";
inline constexpr std::string_view option_host_access = "io.netd.host_access";

/// Of overlay networks (docs/drivers/overlay.md); `encrypted` is Docker's.
inline constexpr std::string_view option_vni = "io.netd.vni";
inline constexpr std::string_view option_vxlan_ids =
    "com.docker.network.driver.overlay.vxlanid_list";
inline constexpr std::string_view option_flood = "io.netd.flood";
inline constexpr std::string_view option_encrypted = "encrypted";

/// Of networks that a container engine makes through the plugin protocol (docs/docker.md).
inline constexpr std::string_view option_engine_driver = "io.netd.driver";
inline constexpr std::string_view option_engine_name = "io.netd.name";
inline constexpr std::string_view option_engine_api = "io.netd.engine";
/// The cluster's network that an engine's stands for; of IPAM options as well.
inline constexpr std::string_view option_engine_network = "io.netd.network";

/// Throws std::invalid_argument when no link can have the name: at most 15 characters (IFNAMSIZ,
/// linux/if.h), no '/', ':', '%' or space, none of the names with a meaning (lo, all, default).
/// `what` says whose name it is.
void check_interface_name(std::string_view what, std::string_view name);

// Each throws std::invalid_argument "failed to parse <key> value: <value> (<reason>)".

std::string text_option(const Options& options, std::string_view key, std::string_view fallback);
/// "1", "t", "true", "0", "f", "false" in the spellings of Go's strconv.ParseBool.
bool bool_option(const Options& options, std::string_view key, bool fallback);
/// A whole number within [low, high].
int int_option(const Options& options, std::string_view key, int fallback, int low, int high);
std::optional<ipam::Address> address_option(const Options& options, std::string_view key);

/// The sysctls of `option_endpoint_sysctls`, "net.ipv4.conf.IFNAME.log_martians=1,…", with IFNAME
/// replaced by `interface`: pairs of path below /proc/sys and value. Throws std::invalid_argument.
std::vector<std::pair<std::string, std::string>> endpoint_sysctls(const Options& options,
                                                                  std::string_view interface);

/// One warning for each key of `options` that is not among `known`, naming the nearest known key.
std::vector<std::string> warn_unknown(const Options& options,
                                      std::span<const std::string_view> known,
                                      std::string_view driver);

}  // namespace drivers
