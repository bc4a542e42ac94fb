// The way out of overlay networks, and in for published ports: a bridge on each host that sandboxes
// are on besides, made with the first of them (Docker's docker_gwbridge). Its sandboxes don't reach
// each other on it, and have no names there.
#pragma once

#include <string_view>

#include "netd/model.h"

namespace netd {

inline constexpr std::string_view gateway_bridge = "netd_gwbridge";

inline bool is_gateway_bridge(const NetworkRecord& network) {
  return network.network.driver == "bridge" && network.network.name == gateway_bridge;
}

NetworkSpec gateway_bridge_spec();

}  // namespace netd
