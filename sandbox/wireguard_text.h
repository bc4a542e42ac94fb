// The text protocol of WireGuard implementations outside the kernel ("cross-platform interface",
// https://www.wireguard.com/xplatform/), as wireguard-go speaks it on a socket.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/wireguard.h"

namespace sandbox::wireguard_text {

/// The answer to "get=1", without the link's index. Throws std::runtime_error with the line that
/// can't be read; std::system_error of an answer's errno.
WireguardFacts parse_facts(std::string_view answer);
/// Of an answer to "set=1". Throws as above.
void check_answer(std::string_view answer, const std::string& act);

std::string set_link(const WireguardKey& private_key, std::uint16_t port);
std::string put_peer(const WireguardKey& key, const WireguardPeer& peer);
std::string erase_peer(const WireguardKey& key);

}  // namespace sandbox::wireguard_text
