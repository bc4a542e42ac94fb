// IP addresses, prefixes and MACs as plain values: parse, print, compare, contain.
// Nothing here allocates, throws or touches the system.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ipam {

enum class Family : std::uint8_t { v4, v6 };

/// An unsigned 128-bit number: the distance between two addresses, or a count of them.
using Offset = unsigned __int128;

/// An IPv4 or IPv6 address. The order is: all of IPv4, then all of IPv6, each by value.
class Address {
 public:
  /// 0.0.0.0
  constexpr Address() = default;
  /// `host_order` is 0x7f000001 for 127.0.0.1.
  static Address v4(std::uint32_t host_order);
  /// `bytes` in network order, 4 (IPv4) or 16 (IPv6) of them; absent for another length.
  static std::optional<Address> from_bytes(std::span<const std::uint8_t> bytes);
  /// Dotted quad or RFC 4291 2.2 text, no zone, no prefix length; absent when it is anything else.
  static std::optional<Address> parse(std::string_view text);
  /// 0.0.0.0 or ::
  static Address any(Family family);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::v4; }
  bool is_v6() const { return family_ == Family::v6; }
  /// 32 or 128.
  int bits() const { return is_v4() ? 32 : 128; }
  /// 4 or 16 bytes, network order.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4u : 16u}; }
  /// The value as a number (IPv4: below 2^32).
  Offset value() const;
  /// The address of `family` with this value; the high bits that do not fit are dropped.
  static Address from_value(Family family, Offset value);

  bool is_any() const;
  bool is_loopback() const;    // 127/8, ::1
  bool is_link_local() const;  // 169.254/16, fe80::/10
  bool is_multicast() const;   // 224/4, ff00::/8

  /// RFC 5952 text for IPv6.
  std::string to_string() const;

  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address with a prefix length: an interface address ("10.1.2.3/16", host bits kept) or a
/// subnet.
struct Prefix {
  Address address;
  int length = 0;

  /// "ip/len"; absent when malformed or when the length exceeds the family's bits.
  static std::optional<Prefix> parse(std::string_view text);

  Family family() const { return address.family(); }
  /// The first address; `masked()` is the same as a prefix.
  Address network() const;
  /// The last address (the broadcast address of an IPv4 subnet).
  Address last() const;
  Prefix masked() const;
  bool is_masked() const { return masked() == *this; }
  /// How many addresses; saturates at 2^128 - 1 for ::/0.
  Offset size() const;
  bool contains(const Address& other) const;
  bool contains(const Prefix& other) const;
  bool overlaps(const Prefix& other) const;
  std::string to_string() const;

  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

/// A 48-bit Ethernet address.
struct Mac {
  std::array<std::uint8_t, 6> bytes{};

  /// "02:42:ac:11:00:02", ':' or '-' between two-digit groups; absent when malformed.
  static std::optional<Mac> parse(std::string_view text);
  /// A locally administered unicast MAC made of these random bits.
  static Mac local(std::uint64_t random);
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  std::string to_string() const;

  friend auto operator<=>(const Mac&, const Mac&) = default;
};

}  // namespace ipam
