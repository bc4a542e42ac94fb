// Published ports at addresses that nft leaves alone: 127.0.0.1, ::1, and the host's IPv6 addresses
// for containers without IPv6. Their connections reach the port's reservation socket
// (sandbox/port_reservation.h); the relay accepts them there and passes the bytes on to the
// container (dns-nftables.md B4 c). Docker runs a process per port for this.
//
// One thread for all ports, begun with the first of them, in the network namespace of that caller.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ipam/address.h"
#include "sandbox/plan.h"

namespace netd {

class Relay {
 public:
  struct Limits {
    /// Per port. More TCP clients wait in the listener's backlog; of UDP clients, the one longest
    /// silent gives way.
    std::size_t connections = 1024;
    std::size_t udp_clients = 1024;
    std::chrono::milliseconds connect_timeout{10'000};
    /// A UDP client is forgotten when it has been silent, and got nothing, for so long.
    std::chrono::milliseconds udp_idle{90'000};
  };

  Relay();
  explicit Relay(const Limits& limits);
  ~Relay();  // as remove() of all, joins the thread
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  struct Target {
    ipam::Address address;
    std::uint16_t port = 0;
  };

  // Call these from one thread.

  /// Serves `socket` (TCP: listening; UDP: bound) for `target`. The descriptor is duplicated: the
  /// caller keeps its own. The socket becomes non-blocking, a UDP one also tells destination
  /// addresses. `key` is the caller's name for it; a key in use is replaced. SCTP isn't relayed:
  /// nothing happens. Throws std::system_error.
  void add(const std::string& key, int socket, sandbox::Protocol protocol, const Target& target);

  /// Closes the duplicates and every connection of these keys, before it returns. Unknown keys are
  /// fine.
  void remove(const std::vector<std::string>& keys);

  /// Connections and UDP clients now.
  std::size_t connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace netd
