// The host's side of published ports while netd runs: reservation sockets, and the relay behind
// them that serves localhost. Holds, in the words of docs/ARCHITECTURE.md: not in any plan, taken
// before the kernel changes, taken again at start.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "drivers/port_mapping.h"
#include "netd/relay.h"
#include "sandbox/port_reservation.h"

namespace netd {

class PublishedPorts {
 public:
  /// `relay`: serve localhost and IPv6-to-IPv4 ("userland-proxy" in Docker's configuration).
  /// `host_ipv6`: the host has IPv6.
  PublishedPorts(bool relay, bool host_ipv6) : relay_enabled_(relay), host_ipv6_(host_ipv6) {}

  struct Held {
    std::uint16_t container_port = 0;
    sandbox::Reservation reservation;
    std::map<ipam::Address, ipam::Address> served;  // host address -> where the relay leads it
  };
  /// Reserves host ports for the bindings; released again when the result is destroyed. A family
  /// that `maps` refuses takes no port (routed networks). `default_host`: for bindings without
  /// address. Throws sandbox::PortUnavailable, std::invalid_argument.
  std::vector<Held> reserve(const std::vector<drivers::PortBinding>& bindings,
                            const std::optional<ipam::Address>& default_host, bool container_ipv6,
                            const std::function<bool(ipam::Family)>& maps);
  /// Boot: the ports a sandbox had. Those that can't be had again are left out and named in
  /// `problems`.
  std::vector<Held> reserve_again(const std::vector<drivers::Port>& ports,
                                  std::vector<std::string>& problems);

  /// What was reserved, as ports of an endpoint.
  static std::vector<drivers::Port> ports_of(const Held& held);
  static std::vector<drivers::Port> ports_of(const std::vector<Held>& held);

  /// The ports a sandbox has reserved, published or not.
  std::vector<drivers::Port> held_by(const std::string& sandbox_id) const;
  /// Keeps reservations for a sandbox, beside those it has.
  void keep(const std::string& sandbox_id, std::vector<Held> held);
  /// Lets the relay lead the sandbox's ports to these addresses; absent ones are not served. Where
  /// nothing changes, connections go on.
  void serve(const std::string& sandbox_id, const std::optional<ipam::Address>& ipv4,
             const std::optional<ipam::Address>& ipv6);
  /// Releases all of a sandbox's ports, or those that `wanted` picks.
  void release(const std::string& sandbox_id);
  void release(const std::string& sandbox_id, const std::function<bool(const Held&)>& wanted);

 private:
  std::vector<ipam::Address> hosts_of(const drivers::PortBinding& binding,
                                      const std::optional<ipam::Address>& default_host,
                                      bool container_ipv6) const;

  bool relay_enabled_;
  bool host_ipv6_;
  sandbox::PortReservations reservations_;
  std::map<std::string, std::vector<Held>> by_sandbox_;
  Relay relay_;
};

}  // namespace netd
