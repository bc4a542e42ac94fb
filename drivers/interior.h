// What an endpoint is within its sandbox, whatever driver made its link.
#pragma once

#include "drivers/driver.h"
#include "sandbox/plan.h"

namespace drivers {

/// Appends a step for each route.
void add_routes(const std::vector<StaticRoute>& routes, const Endpoint& endpoint,
                const Sandbox& sandbox, sandbox::Plan& plan);

/// Appends the steps for the endpoint's addresses and sysctls, and last for its link to come up.
/// Throws std::invalid_argument for a malformed sysctl option.
void add_interior(const Network& network, const Endpoint& endpoint, const Sandbox& sandbox,
                  sandbox::Plan& plan);

}  // namespace drivers
