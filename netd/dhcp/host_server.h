// DHCP servers on this host itself that listen on a bridge, as libvirt's dnsmasq does. Frames that
// a packet socket sends leave the bridge by its ports and never come to the host's own sockets;
// what an ordinary socket sends to everybody does, and leaves by the ports as well.
#pragma once

#include <string>

#include "netd/dhcp/bytes.h"

namespace netd::dhcp {

/// Whether a socket of the calling thread's network namespace listens on UDP port 67.
bool host_has_server();

/// Sends `message` from the host to everybody on `interface`, the host included. Best effort: an
/// interface without an address has no server either.
void tell_host(const std::string& interface, View message);

}  // namespace netd::dhcp
