// Published ports are held by real sockets, so that a conflict with any program of the host is
// found when the port is published and no program can take it afterwards. The packets themselves
// are rewritten by nft before they get here; only connections to localhost arrive (netd/relay.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "ipam/address.h"
#include "sandbox/fd.h"
#include "sandbox/plan.h"

namespace sandbox {

/// A port can't be had; the text is Docker's (libnetwork.md 1.4):
///   "Bind for 0.0.0.0:80 failed: port is already allocated"                    by netd itself
///   "failed to bind host port for 0.0.0.0:80/tcp: address already in use"      by another program
///   "all ports are allocated"                                                  of the range
struct PortUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A bound socket, non-blocking and close-on-exec; TCP: listening. `fd` is empty for SCTP on a
/// kernel without it: then only the table of PortReservations holds the port.
struct ReservedSocket {
  ipam::Address host;
  Fd fd;
};

/// One port on one or more host addresses; free again when this is destroyed. Until
/// `detach_filter` the sockets drop every packet: a client that comes before there is somebody to
/// accept it sends its SYN again and is served then.
class Reservation {
 public:
  Reservation() = default;  // holds nothing
  Reservation(Reservation&&) noexcept;
  Reservation& operator=(Reservation&&) noexcept;
  ~Reservation();

  Protocol protocol() const { return protocol_; }
  std::uint16_t port() const { return port_; }  // 0 = holds nothing
  /// In the order of the addresses asked for. Whoever takes an `fd` out keeps the port at the
  /// kernel for as long; the table lets go of it with this object.
  std::vector<ReservedSocket>& sockets() { return sockets_; }
  const std::vector<ReservedSocket>& sockets() const { return sockets_; }

  /// Lets packets in: the relay is ready. Throws std::system_error.
  void detach_filter();

 private:
  friend class PortReservations;
  struct Table;
  void swap(Reservation& other) noexcept;

  std::shared_ptr<Table> table_;
  Protocol protocol_ = Protocol::tcp;
  std::uint16_t port_ = 0;
  std::vector<ReservedSocket> sockets_;
};

/// All of netd's reservations in the calling thread's network namespace. Control thread only.
class PortReservations {
 public:
  PortReservations();

  /// Reserves the same port on all `hosts` (0.0.0.0 and :: = every address of that family), or
  /// nothing. first == last: that port. first < last: one of the range, the next after the one
  /// given last ("next-fit"), so that a port just released is not given again at once. first == 0:
  /// a free one of ip_local_port_range without ip_local_reserved_ports
  /// (Documentation/networking/ip-sysctl). Throws PortUnavailable; std::invalid_argument ("invalid
  /// port range: 10-5") or when `hosts` is empty.
  Reservation reserve(Protocol protocol, const std::vector<ipam::Address>& hosts,
                      std::uint16_t first, std::uint16_t last);

  /// Why the system refused a port.
  struct Failure {
    int error = 0;
    ipam::Address host;
  };

 private:
  Reservation reserve_of_range(Protocol protocol, const std::vector<ipam::Address>& hosts,
                               std::uint16_t first, std::uint16_t last);
  /// Absent when the system refuses.
  std::optional<Reservation> take(Protocol protocol, const std::vector<ipam::Address>& hosts,
                                  std::uint16_t port, Failure& failure);

  std::shared_ptr<Reservation::Table> table_;
};

/// An interval of ports, both ends included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// "32768\t60999", the text of ip_local_port_range; absent when it is malformed.
std::optional<PortRange> parse_port_range(std::string_view text);
/// "8080,9000-9010", the text of ip_local_reserved_ports; malformed parts are skipped.
std::vector<PortRange> parse_reserved_ports(std::string_view text);

}  // namespace sandbox
