// Published ports as users type them, as the API's JSON. Pure; throws UsageError.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace netd::words {

/// {"80/tcp":[{"HostIp":"","HostPort":"8080"}]} of --publish specifications
/// (drivers/port_mapping.h).
nlohmann::json parse_ports(const std::vector<std::string>& specifications);

}  // namespace netd::words
