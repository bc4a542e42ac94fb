// Reading the values of the plugin protocol: addresses as text, ports and MACs as Go encodes them.
// All throw std::invalid_argument that names the field and says what was expected.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "drivers/port_mapping.h"
#include "ipam/address.h"
#include "netd/api/json_reader.h"

namespace netd::plugin {

inline constexpr const char* option_generic = "com.docker.network.generic";
inline constexpr const char* option_internal = "com.docker.network.internal";
inline constexpr const char* option_port_map = "com.docker.network.portmap";
inline constexpr const char* option_exposed_ports = "com.docker.network.endpoint.exposedports";
inline constexpr const char* option_mac = "com.docker.network.endpoint.macaddress";

/// Nothing when the field is absent or "". Host bits are kept.
std::optional<ipam::Prefix> read_prefix(const api::JsonObject& object, std::string_view key);
/// An address alone, or with a prefix length that is left out ("10.0.0.1/24").
std::optional<ipam::Address> read_address(const api::JsonObject& object, std::string_view key);
/// "02:42:…", or the option in base64: Go's net.HardwareAddr is a list of bytes.
std::optional<ipam::Mac> read_mac(const api::JsonObject& interface, const api::JsonObject& options);

/// [{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}]: protocols are
/// numbers of RFC 5237; those that have no ports (ICMP) are left out. Nothing when the option is
/// absent; an empty list is one.
std::optional<std::vector<drivers::PortBinding>> read_port_map(const api::JsonObject& options);

/// The options with text values; others (exposed ports, the MAC) are none of a driver's.
drivers::Options read_driver_options(const api::JsonObject& options);

}  // namespace netd::plugin
