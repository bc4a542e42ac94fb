// The options about routes that all networks have (docs/drivers/common.md).
#pragma once

#include <cstdint>
#include <vector>

#include "drivers/driver.h"

namespace drivers {

/// Of `option_routes`: "10.9.0.0/16 via 10.5.0.9 metric 20, blackhole 10.66.0.0/16", those without
/// a next hop first. Throws std::invalid_argument.
std::vector<StaticRoute> route_options(const Options& options);

/// Of `option_metric`, for the default route; 0 = the kernel's. Throws std::invalid_argument.
std::uint32_t metric_option(const Options& options);

/// Throws std::invalid_argument when one of them is malformed.
void check_route_options(const Options& options);

}  // namespace drivers
