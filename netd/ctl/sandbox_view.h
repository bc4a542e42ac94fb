// Reading the API's sandbox JSON for listings. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace netd::ctl {

/// One published port, as `port` prints it.
struct PublishedPort {
  std::string container;  // "80/tcp"
  std::string host;       // "0.0.0.0:8080", "[::]:8080"
};

/// Of a sandbox's "Ports" ({"80/tcp":[{"HostIp","HostPort"}]}), by container port and protocol.
std::vector<PublishedPort> published_ports(const nlohmann::json& sandbox);

/// "shop 10.5.0.2, lan 192.168.1.9" of a sandbox's "Networks".
std::string describe_networks(const nlohmann::json& sandbox);

/// "0.0.0.0:8080->80/tcp, …" as `docker ps` has it.
std::string describe_ports(const nlohmann::json& sandbox);

/// Throws UsageError for a key that sandboxes can't be filtered by.
void check_sandbox_filters(const nlohmann::json& filters);

/// Whether the sandbox has one of the values of each key (of "label": all): id by prefix, name by
/// part, network by name or id prefix, label as "k" or "k=v". `filters` as parse_filters makes
/// them.
bool matches_filters(const nlohmann::json& sandbox, const nlohmann::json& filters);

}  // namespace netd::ctl
