// Key pairs of Curve25519 (RFC 7748), as WireGuard uses them.
#pragma once

#include "sandbox/wireguard.h"

namespace netd {

/// A new private key. Throws std::runtime_error.
sandbox::WireguardKey make_private_key();
/// The public key that belongs to it. Throws std::runtime_error.
sandbox::WireguardKey public_key_of(const sandbox::WireguardKey& private_key);

}  // namespace netd
