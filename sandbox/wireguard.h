// Encrypted tunnels between hosts: one WireGuard link a host, and what it is told of the others.
//
// VXLAN tunnels of encrypted networks end at an address on this link, and their destinations are
// such addresses of other hosts: where the link is gone or down there is no way to them but a black
// hole. What comes out of the link was sent by the host that has its source address: WireGuard
// lets each host have its own only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address.h"

namespace sandbox {

/// A private or public key of Curve25519 (RFC 7748), or of nobody: all zero.
struct WireguardKey {
  std::array<std::uint8_t, 32> bytes{};
  /// 64 hex digits; nothing for any other text.
  static std::optional<WireguardKey> parse(std::string_view hex);
  std::string to_string() const;
  friend auto operator<=>(const WireguardKey&, const WireguardKey&) = default;
};

/// How often peers say that they are there, which is WireGuard's own advice, wg(8).
inline constexpr std::uint16_t keepalive_seconds = 25;

/// This host's end.
struct WireguardLink {
  std::string name;
  std::uint32_t mtu = 0;
  ipam::Prefix inside;  // its address among the hosts, with the prefix that all of them are in
  WireguardKey private_key;
  std::uint16_t port = 0;  // UDP, on all addresses of the host
};

/// Another host.
struct WireguardPeer {
  ipam::Address host;
  std::uint16_t port = 0;
  /// What it may send from, and what is sent to it; nothing: its key is expected, not yet used.
  std::optional<ipam::Address> inside;
  friend bool operator==(const WireguardPeer&, const WireguardPeer&) = default;
};

/// By public key.
using WireguardPeers = std::map<WireguardKey, WireguardPeer>;

/// What there is.
struct WireguardFacts {
  std::uint32_t index = 0;
  WireguardKey private_key;
  std::uint16_t port = 0;
  WireguardPeers peers;
  /// When a peer proved its key last, seconds since 1970; a session is renewed every two minutes
  /// while packets pass. Missing: never.
  std::map<WireguardKey, std::int64_t> handshakes;
};

class Wireguard {
 public:
  virtual ~Wireguard() = default;

  /// Why this host can't encrypt, with the remedy; empty: it can.
  virtual std::string problem() = 0;

  /// Makes of the link what is missing, and puts right what differs; returns its index. Where the
  /// kernel has no WireGuard, wireguard-go makes it. Throws std::system_error;
  /// std::runtime_error with the remedy when there is neither, or the link is somebody else's.
  virtual std::uint32_t make(const WireguardLink& link) = 0;
  /// Nothing when there is no such link. Throws std::system_error.
  virtual std::optional<WireguardFacts> read(const std::string& name) = 0;
  /// Adds a peer or changes it, and says hello: the first packet doesn't wait for a handshake.
  virtual void put(const std::string& name, const WireguardKey& key, const WireguardPeer& peer) = 0;
  /// Gone = done.
  virtual void erase(const std::string& name, const WireguardKey& key) = 0;
  /// Removes the link, and the black hole behind it. Gone = done.
  virtual void remove(const std::string& name, const ipam::Prefix& inside) = 0;
};

struct WireguardDifference {
  WireguardPeers put;
  std::vector<WireguardKey> erase;
  friend bool operator==(const WireguardDifference&, const WireguardDifference&) = default;
};

/// From `have` to `want`; what is right is not touched.
WireguardDifference difference(const WireguardPeers& have, const WireguardPeers& want);

}  // namespace sandbox
