// The two sockets of a resolver.
#pragma once

#include <cstdint>
#include <string>

#include "ipam/address.h"
#include "sandbox/fd.h"

namespace dns {

struct ListenSockets {
  sandbox::Fd udp;
  sandbox::Fd tcp;
  std::uint16_t port = 0;
};

/// Where to listen: at an IPv4 address of a link, and only for what comes in over that link.
struct ListenPlace {
  ipam::Address address;
  std::string device;
  std::uint16_t port = 0;
  bool exact = false;  // at no other port, when another program has this one
};

/// Opens both in namespace `netns`. Bound to lo, nothing from outside reaches them whatever the
/// container sets (route_localnet). Throws std::system_error; the link must be up.
ListenSockets open_listen_sockets(int netns, const ListenPlace& place);

}  // namespace dns
