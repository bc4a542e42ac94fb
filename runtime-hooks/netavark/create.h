// `netavark create`, which podman 6 calls: what a new network of podman's is, completed. Pure but
// for the time and the random part of an IPv6 subnet. And the same of a plugin, which has nothing
// to add.
#pragma once

#include <nlohmann/json.hpp>

namespace runtime_hooks::netavark {

/// {"network","used":{"interfaces","names","subnets"},"options":{"subnet_pools":[{"base","size"}],
/// "default_interface_name","check_used_subnets"}} -> the network. Throws std::runtime_error.
nlohmann::json create_network(const nlohmann::json& request);

/// A plugin's: checked, with the subnets that podman was told; netd chooses no other.
nlohmann::json create_plugin_network(nlohmann::json network);

}  // namespace runtime_hooks::netavark
