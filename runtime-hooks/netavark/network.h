// podman's networks as netd's. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace runtime_hooks::netavark {

/// The label of networks that were made for podman: they go with their last container.
inline constexpr const char* label = "io.netd.netavark";

/// netd's name of it: podman's own, but for those that netd has itself.
std::string network_name(const std::string& name);

/// POST /networks/create of what podman keeps of a network, without the name. Its options are
/// netavark's, netd's and Docker's. Throws std::runtime_error for what netd has no way to do, with
/// netavark's words where it has some.
nlohmann::json network_request(const nlohmann::json& network);

/// An option of a network in netavark's words, of whichever driver.
bool is_network_option(const std::string& key);

/// Of the attachment: what netavark calls `options` of a container's network.
nlohmann::json endpoint_options(const nlohmann::json& options);

}  // namespace runtime_hooks::netavark
