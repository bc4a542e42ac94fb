// The answer of GET /topology as a picture. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace netd::ctl {

/// The tree of networks and the sandboxes on them, with columns aligned within each network:
///
///     host
///     ├─ bridge shop  br-3f2a91c0d4e7  10.5.0.1/24  masquerade
///     │  ├─ web     eth0  10.5.0.2  02:42:9c:01:02:03  0.0.0.0:8080→80/tcp
///     │  └─ client  eth0  10.5.0.3  02:42:1f:01:02:03
///     └─ macvlan lan  parent enp1s0  192.168.1.0/24
std::string render_topology(const nlohmann::json& topology, bool colour);

}  // namespace netd::ctl
