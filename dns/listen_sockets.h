// The two sockets of a sandbox's resolver.
#pragma once

#include <cstdint>

#include "sandbox/fd.h"

namespace dns {

struct ListenSockets {
  sandbox::Fd udp;
  sandbox::Fd tcp;
  std::uint16_t port = 0;
};

/// Opens both at 127.0.0.11 in namespace `netns`, bound to lo, so that nothing from outside reaches
/// them whatever the container sets (route_localnet). Takes port `wanted`, or one that is free when
/// another program has it there. Throws std::system_error; lo must be up.
ListenSockets open_listen_sockets(int netns, std::uint16_t wanted);

}  // namespace dns
