// netd as Docker's network and IPAM plugin: the wire (libnetwork.md 2). Each method is a POST with
// a JSON object, answered with status 200 and a JSON object; what went wrong is in its member "Err"
// (NetworkDriver) or "Error" (IpamDriver). What the methods do is engine_driver.h.
#pragma once

#include <vector>

#include "netd/api/router.h"
#include "netd/api/routes.h"

namespace netd::plugin {

/// The routes /Plugin.Activate, /NetworkDriver.* and /IpamDriver.*.
std::vector<api::Route> plugin_routes(const api::Context& context);

}  // namespace netd::plugin
