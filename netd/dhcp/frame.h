// DHCP in Ethernet frames (RFC 894, 791, 768), for packet sockets: a client without an address
// can't use a UDP socket. Pure.
#pragma once

#include <optional>

#include "ipam/address.h"
#include "netd/dhcp/bytes.h"

namespace netd::dhcp {

inline constexpr ipam::Mac broadcast_mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// One UDP datagram over IPv4 and the frame that it travels in.
struct Datagram {
  ipam::Mac from;
  ipam::Mac to;
  ipam::Address source;
  ipam::Address destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  Bytes payload{};
};

Bytes encode_frame(const Datagram& datagram);

/// Who fills in a UDP checksum. A frame from the same machine, over a veth, may reach a packet
/// socket before its checksum is computed (packet(7): TP_STATUS_CSUMNOTREADY).
enum class Checksum { done, pending };

/// Nothing when it is no whole and sound UDP datagram: fragments, wrong lengths or checksums. What
/// follows the datagram in the frame is padding.
std::optional<Datagram> parse_frame(View frame, Checksum checksum);

}  // namespace netd::dhcp
