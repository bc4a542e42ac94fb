// The addresses of this namespace's own links, and which of them it would send from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipam/address.h"

namespace sandbox {

struct HostAddress {
  ipam::Address address;
  std::string link;
};

/// In the kernel's order, loopback and link-local ones too. Throws std::system_error.
std::vector<HostAddress> host_addresses();

/// Throws std::system_error when there is no such link.
std::uint32_t mtu_of(const std::string& link);

/// Where the kernel would send from to that name or address; nothing is sent, but a name is looked
/// up. Nothing when it is unknown, or there is no route.
std::optional<ipam::Address> source_towards(const std::string& host, const std::string& port);

}  // namespace sandbox
