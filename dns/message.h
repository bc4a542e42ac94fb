// The DNS wire format (RFC 1034, 1035, EDNS0 RFC 6891): a bounds-checked parser of queries and a
// writer of responses. Nothing here allocates or throws: packets come from containers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ipam/address.h"

namespace dns {

inline constexpr std::size_t header_bytes = 12;
inline constexpr std::size_t opt_bytes = 11;  // an OPT record without options
/// What our OPT offers and what we ask upstreams for: fits one Ethernet frame (DNS flag day 2020).
inline constexpr std::uint16_t edns_payload = 1232;
/// What is read of a UDP query; the rest of a longer one is cut off, so it is answered with
/// FORMERR.
inline constexpr std::size_t max_udp_query = 4096;
inline constexpr std::size_t max_udp_response = 4096;
inline constexpr std::size_t max_tcp_message = 65535;

/// Record types (IANA "DNS parameters") that are treated on their own.
namespace type {
inline constexpr std::uint16_t a = 1, soa = 6, ptr = 12, hinfo = 13, sig = 24, aaaa = 28, opt = 41,
                               tsig = 250, ixfr = 251, axfr = 252, any = 255;
}

namespace klass {
inline constexpr std::uint16_t internet = 1, any = 255;
}

enum class Rcode : std::uint16_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_error = 3,  // NXDOMAIN
  not_implemented = 4,
  refused = 5,
  bad_version = 16,  // takes the extended bits of an OPT
};

/// Extended DNS errors, RFC 8914.
enum class ExtendedError : std::uint16_t {
  none = 0,  // "other": never sent
  not_authoritative = 20,
  no_reachable_authority = 22,
  network_error = 23,
};

/// Big-endian numbers. `offset` must lie within.
std::uint16_t read_u16(std::span<const std::uint8_t> bytes, std::size_t offset);
void write_u16(std::span<std::uint8_t> bytes, std::size_t offset, std::uint16_t value);

/// A query as `parse_query` read it. Views point into the packet.
struct Query {
  std::uint16_t id = 0;
  std::uint8_t opcode = 0;
  bool recursion_desired = false;
  bool authentic_data = false;
  bool checking_disabled = false;
  bool has_edns = false;
  bool dnssec_ok = false;
  std::uint16_t udp_size = 512;  // what the client takes over UDP, at least 512
  std::uint16_t type = 0;
  std::uint16_t class_code = 0;
  /// Name, type and class as sent; empty when they could not be read.
  std::span<const std::uint8_t> question;
  /// The name as dotted text in lower case without trailing dot; the root is "". Text position p is
  /// the wire offset p within the question: a label's length octet stands where its dot-free text
  /// begins.
  std::string_view name() const { return {name_text.data(), name_size}; }
  /// A label holds a '.' octet: the text is ambiguous and can't be a name of ours.
  bool has_odd_label = false;
  std::uint8_t name_size = 0;
  std::array<char, 256> name_text;  // NOLINT(cppcoreguidelines-pro-type-member-init): hot path
};

/// Reads a query. The result tells what to do with it:
///   nothing    drop it: too short to answer, or a response (answering those makes ping-pong)
///   no_error   serve it
///   else       answer with this code (`query` holds what is needed for that)
std::optional<Rcode> parse_query(std::span<const std::uint8_t> packet, Query& query);

/// The bytes after the name at `offset` (pointers are not followed); nothing when it is malformed.
std::optional<std::size_t> skip_name(std::span<const std::uint8_t> packet, std::size_t offset);

/// One resource record's place in a packet.
struct Record {
  std::size_t offset = 0;  // of its name
  std::size_t end = 0;
  std::size_t data = 0;  // offset of RDATA
  std::uint16_t type = 0;
  std::uint16_t class_code = 0;
  std::uint32_t ttl = 0;
};
/// Nothing when the record at `offset` does not lie wholly within the packet.
std::optional<Record> read_record(std::span<const std::uint8_t> packet, std::size_t offset);

/// How large a UDP response to this query may be.
std::size_t udp_response_limit(const Query& query);

/// Appends the OPT that a response to `query` carries (at most 17 bytes); returns its size. The
/// buffer must have room.
std::size_t write_opt(const Query& query, std::uint16_t rcode, ExtendedError error,
                      std::span<std::uint8_t> buffer);

/// Writes one response into a buffer whose size is the limit for that client. Records that don't
/// fit are left out and TC is set (RFC 2181 9). Names of answers point to the question's.
class Response {
 public:
  /// `buffer` must hold at least 512 bytes.
  Response(const Query& query, std::span<std::uint8_t> buffer);

  void set_rcode(Rcode rcode) { rcode_ = rcode; }
  void set_authoritative() { buffer_[2] |= 0x04; }
  void set_extended_error(ExtendedError error) { error_ = error; }

  /// A or AAAA, whatever the address is. False when it did not fit.
  bool add_address(const ipam::Address& address, std::uint32_t ttl);
  /// PTR to `name` (dotted text, no trailing dot, labels of 1 to 63 bytes, 253 at most).
  bool add_pointer(std::string_view name, std::uint32_t ttl);
  /// The answer to ANY of RFC 8482 4.2.
  bool add_any_refusal(std::uint32_t ttl);
  /// SOA in the authority section, owned by the question's name from text position `suffix` on; it
  /// lets the client remember a negative answer for `ttl` (RFC 2308). Left out when it doesn't fit.
  void add_soa(std::size_t suffix, std::uint32_t ttl);

  /// Adds the OPT if the client sent one. The message's size.
  std::size_t finish();

 private:
  std::uint8_t* reserve(std::size_t bytes);
  std::uint8_t* begin_answer(std::uint16_t type, std::uint32_t ttl, std::size_t data_bytes);

  const Query& query_;
  std::span<std::uint8_t> buffer_;
  std::size_t size_ = 0;
  std::size_t limit_ = 0;  // without the room for OPT
  std::uint16_t answers_ = 0;
  std::uint16_t authorities_ = 0;
  Rcode rcode_ = Rcode::no_error;
  ExtendedError error_ = ExtendedError::none;
};

}  // namespace dns
