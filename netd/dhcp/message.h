// The DHCPv4 wire format (RFC 2131 2, options RFC 2132): one value for what clients and servers
// send, a bounds-checked parser and a writer. Pure. Nothing here throws but std::bad_alloc: packets
// come from a LAN.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address.h"
#include "netd/dhcp/bytes.h"

namespace netd::dhcp {

inline constexpr std::uint16_t server_port = 67;
inline constexpr std::uint16_t client_port = 68;

/// Option codes that netd sends or reads.
namespace option {
inline constexpr std::uint8_t subnet_mask = 1, router = 3, dns_server = 6, hostname = 12,
                              domain = 15, mtu = 26, requested_address = 50, lease_time = 51,
                              overload = 52, type = 53, server = 54, parameters = 55, text = 56,
                              message_size = 57, renewal_time = 58, rebinding_time = 59,
                              client_id = 61, domain_search = 119, classless_routes = 121;
}

/// Option 53.
enum class Type : std::uint8_t {
  discover = 1,
  offer = 2,
  request = 3,
  decline = 4,
  ack = 5,
  nak = 6,
  release = 7,
  inform = 8,
};
std::string to_string(Type type);

/// A route of option 121; the gateway 0.0.0.0 means on-link (RFC 3442).
struct Route {
  ipam::Prefix destination;
  ipam::Address gateway;
  friend auto operator<=>(const Route&, const Route&) = default;
};

struct Message {
  Type type = Type::discover;
  bool is_reply = false;  // op: BOOTREPLY, of servers
  bool broadcast = false;
  std::uint32_t xid = 0;
  std::uint16_t seconds = 0;     // since the client began
  ipam::Address client_address;  // ciaddr: the client has it and answers ARP for it
  ipam::Address your_address;    // yiaddr
  ipam::Address next_server;     // siaddr
  ipam::Address relay;           // giaddr
  ipam::Mac mac;                 // chaddr
  /// All but type, overload, pad and end. Pieces of a long option are joined (RFC 3396).
  std::map<std::uint8_t, Bytes> options{};

  // What an option says; nothing when it is absent or not of the form that its definition demands.

  std::optional<ipam::Address> address(std::uint8_t code) const;
  std::vector<ipam::Address> addresses(std::uint8_t code) const;
  std::optional<std::chrono::seconds> duration(std::uint8_t code) const;  // 32 bits
  std::optional<std::uint16_t> number(std::uint8_t code) const;           // 16 bits
  /// Printable ASCII; anything else is a '?', zeros at the end are cut off (RFC 2132 2).
  std::string text(std::uint8_t code) const;
  /// Option 121, as it is.
  std::vector<Route> routes() const;

  void set(std::uint8_t code, const ipam::Address& value);
  void set(std::uint8_t code, const std::vector<ipam::Address>& values);
  void set(std::uint8_t code, std::chrono::seconds value);
  void set(std::uint8_t code, std::uint16_t value);
  void set(std::uint8_t code, std::string_view value);
  void set_routes(const std::vector<Route>& routes);

  friend bool operator==(const Message&, const Message&) = default;
};

/// The UDP payload, at least the 300 bytes that BOOTP relays insist on (RFC 1542 2.1). The type
/// comes first, then the other options by number.
Bytes encode(const Message& message);

/// Nothing when it is no DHCP message for Ethernet, or when an option runs over its field. Reads
/// the options in `file` and `sname` where option 52 says so. A missing end mark is forgiven.
std::optional<Message> parse(View payload);

}  // namespace netd::dhcp
