// Who has a UDP port of this namespace.
#pragma once

#include <cstdint>
#include <string>

namespace sandbox {

/// "process 812 (dnsmasq)", "the kernel (a tunnel: vxlan, geneve, wireguard)", or "" when nobody is
/// found. Reads /proc: the sockets of the calling thread's network namespace, then the descriptors
/// of all processes that are visible from here. For error texts, not for decisions.
std::string find_udp_holder(std::uint16_t port);

}  // namespace sandbox
