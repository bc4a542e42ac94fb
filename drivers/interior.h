// Steps of endpoints that several drivers have in common.
#pragma once

#include "drivers/driver.h"
#include "sandbox/plan.h"

namespace drivers {

/// Appends the pair of links of an endpoint on the network's bridge: the host's end is its port.
/// `mtu` 0: the kernel's.
void add_bridge_port(const Network& network, const Endpoint& endpoint, const Sandbox& sandbox,
                     std::uint32_t mtu, sandbox::Plan& plan);

/// Appends a step for each route.
void add_routes(const std::vector<StaticRoute>& routes, const Endpoint& endpoint,
                const Sandbox& sandbox, sandbox::Plan& plan);

/// Appends the steps for the endpoint's addresses and sysctls, and last for its link to come up.
/// Throws std::invalid_argument for a malformed sysctl option.
void add_interior(const Network& network, const Endpoint& endpoint, const Sandbox& sandbox,
                  sandbox::Plan& plan);

}  // namespace drivers
