// Requests about the kernel's WireGuard links: generic netlink, linux/wireguard.h.
#pragma once

#include <string>

#include "sandbox/wireguard.h"

namespace sandbox::wireguard_netlink {

/// Whether the kernel has WireGuard, or a module of it that it loads when asked.
bool is_there();

/// All in the calling thread's namespace; a socket each, as they are rare. Throw std::system_error.
WireguardFacts read(const std::string& name);
void set_link(const std::string& name, const WireguardKey& private_key, std::uint16_t port);
void put_peer(const std::string& name, const WireguardKey& key, const WireguardPeer& peer);
void erase_peer(const std::string& name, const WireguardKey& key);

}  // namespace sandbox::wireguard_netlink
