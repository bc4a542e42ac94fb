// What the control thread asks of the embedded DNS server: a listener in each sandbox, and what it
// answers there. Implemented by server.h; tests without namespaces have a fake
// (tests/support/fake_listeners.h).
#pragma once

#include <cstdint>
#include <string>

#include "dns/zone.h"

namespace dns {

/// The port that listeners take at 127.0.0.11 unless it is in use there.
inline constexpr std::uint16_t preferred_port = 30053;

class Listeners {
 public:
  virtual ~Listeners() = default;

  /// Opens the listeners in the namespace pinned at `netns`, whose lo is up, and serves `view`.
  /// Returns the port taken: `wanted`, or another one when that is in use there. Throws
  /// std::system_error. A sandbox that is open already only gets the view.
  virtual std::uint16_t open(const std::string& sandbox_id, const std::string& netns, View view,
                             std::uint16_t wanted = preferred_port) = 0;
  /// The same for a whole network: at the address of its bridge `device`, port 53, in netd's own
  /// namespace. Only queries that come over the bridge are heard. Throws std::system_error
  /// (EADDRINUSE: another server has the port).
  virtual void open_gateway(const std::string& network_id, const ipam::Address& address,
                            const std::string& device, View view) = 0;
  /// The same at an address of the link `device` in the namespace pinned at `netns`.
  virtual void open_service(const std::string& network_id, const std::string& netns,
                            const ipam::Address& address, const std::string& device, View view) = 0;
  /// Replaces the view. Unknown sandbox: nothing happens.
  virtual void update(const std::string& sandbox_id, View view) = 0;
  /// Both take a network's id as well. Closes the listeners; has let go of the namespace when it
  /// returns.
  virtual void close(const std::string& sandbox_id) = 0;
};

}  // namespace dns
