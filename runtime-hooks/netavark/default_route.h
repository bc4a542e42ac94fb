// The host's interface towards the world: what netavark puts macvlan and ipvlan networks on that
// name no parent.
#pragma once

#include <iosfwd>
#include <string>

namespace runtime_hooks::netavark {

/// Of /proc/net/route, proc_net(5): the interface of the default route with the lowest metric; ""
/// when there is none.
std::string default_route_interface(std::istream& routes);

}  // namespace runtime_hooks::netavark
