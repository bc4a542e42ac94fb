// Requests about addresses and routes: one function is one rtnetlink request, sent through a socket
// of the namespace where the link is. All throw std::system_error (rtnl.h).
#pragma once

#include <cstdint>
#include <vector>

#include "ipam/address.h"
#include "sandbox/plan.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// EEXIST when the link has the address. IPv6 without duplicate address detection; IPv4 with the
/// subnet's broadcast address, except on /31 and /32 (RFC 3021).
void add_address(RtnlSocket& rtnl, const AddAddress& step);
/// The address or the link gone = done.
void remove_address(RtnlSocket& rtnl, const AddAddress& step);
/// Addresses of the link, in the kernel's order, IPv4 first; empty when it is gone.
std::vector<ipam::Prefix> list_addresses(RtnlSocket& rtnl, std::uint32_t index);

/// EEXIST when the main table has a route to that destination with that metric.
void add_route(RtnlSocket& rtnl, const AddRoute& step);
/// The route or the link gone = done.
void remove_route(RtnlSocket& rtnl, const AddRoute& step);
/// Destinations of the main table's on-link unicast routes: no default, loopback or link-local.
std::vector<ipam::Prefix> list_on_link_routes(RtnlSocket& rtnl);

}  // namespace sandbox
