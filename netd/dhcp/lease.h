// What a DHCP server granted, as a value that records keep: JSON and back.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address.h"
#include "netd/dhcp/message.h"

namespace netd::dhcp {

/// Unix time. The DHCP client's clock also counts while the machine sleeps, see client.h.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

struct Lease {
  ipam::Prefix address;  // with the host bits: "192.168.1.7/24"
  /// The first is the default gateway. Where the server sent classless routes (option 121), the
  /// gateways of its default routes, and no others (RFC 3442).
  std::vector<ipam::Address> routers{};
  std::vector<Route> routes{};  // without default routes
  std::vector<ipam::Address> dns{};
  std::string domain{};               // a name of letters, digits, '-', '_' and '.', or empty
  std::vector<std::string> search{};  // option 119 (RFC 3397): such names
  std::optional<std::uint16_t> mtu{};
  ipam::Address server;    // its identifier, where renewals and the release go
  ipam::Mac server_mac{};  // of the server, or of the relay before it
  Time obtained{};         // when the request was sent that the server answered
  /// Counted from `obtained`: T1 <= T2 <= lifetime. 2^32 - 1 seconds is for ever (RFC 2131 3.3).
  std::chrono::seconds renew_after{};
  std::chrono::seconds rebind_after{};
  std::chrono::seconds lifetime{};

  Time renewal() const { return obtained + renew_after; }
  Time rebinding() const { return obtained + rebind_after; }
  Time expiry() const { return obtained + lifetime; }
  bool is_for_ever() const { return lifetime.count() == 0xffffffff; }

  friend bool operator==(const Lease&, const Lease&) = default;
};

/// Whether both configure an interface alike: all but servers and times.
bool is_same_configuration(const Lease& left, const Lease& right);

/// The lease of an ACK (or the one that an OFFER promises) which came in a frame of `server_mac`.
/// Nothing when it can't be used: no unicast address, no server, no lifetime, a mask that is none.
/// Single settings that make no sense are left out. Missing T1 and T2 are 1/2 and 7/8 of the
/// lifetime (RFC 2131 4.4.5), a missing mask is that of the address's class.
std::optional<Lease> lease_of(const Message& ack, const ipam::Mac& server_mac, Time obtained);

/// A client identifier (option 61) in the form of RFC 4361: type 255, an IAID and a DUID-UUID
/// (RFC 6355), both derived from `name`. The same name has the same identifier for ever, so a
/// container that is made anew finds its address again.
Bytes client_id_of(std::string_view name);

/// Durations as seconds, `obtained` as Unix milliseconds. from_json throws nlohmann's or
/// std::invalid_argument.
void to_json(nlohmann::json& json, const Lease& lease);
void from_json(const nlohmann::json& json, Lease& lease);
void to_json(nlohmann::json& json, const Route& route);
void from_json(const nlohmann::json& json, Route& route);

}  // namespace netd::dhcp
