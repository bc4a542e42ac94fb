#include "netd/dhcp/frame.h"

namespace netd::dhcp {
namespace {

constexpr std::size_t ethernet_bytes = 14, ip_bytes = 20, udp_bytes = 8;
constexpr std::uint16_t ethertype_ipv4 = 0x0800;
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t version_and_length = 0x45;  // IPv4, five words
constexpr std::uint8_t hops = 64;
constexpr std::size_t ip_checksum_at = 10, udp_checksum_at = 6;

/// RFC 1071: the sum of 16-bit words; an odd byte at the end counts as if a zero followed.
std::uint32_t sum_of(View bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
  return sum;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// Over the pseudo-header of RFC 768 and the datagram; 0 when the datagram holds its right one.
std::uint16_t udp_checksum(View source, View destination, View udp) {
  return folded(sum_of(source) + sum_of(destination) + protocol_udp +
                static_cast<std::uint32_t>(udp.size()) + sum_of(udp));
}

}  // namespace

Bytes encode_frame(const Datagram& datagram) {
  Bytes udp;
  append_u16(udp, datagram.source_port);
  append_u16(udp, datagram.destination_port);
  append_u16(udp, static_cast<std::uint16_t>(udp_bytes + datagram.payload.size()));
  append_u16(udp, 0);
  append(udp, View(datagram.payload));
  const std::uint16_t sum =
      udp_checksum(datagram.source.bytes(), datagram.destination.bytes(), udp);
  set_u16(udp, udp_checksum_at, sum == 0 ? 0xffff : sum);  // RFC 768: 0 would mean "none"

  Bytes ip = {version_and_length, 0};
  append_u16(ip, static_cast<std::uint16_t>(ip_bytes + udp.size()));
  append_u32(ip, 0);  // one piece
  ip.push_back(hops);
  ip.push_back(protocol_udp);
  append_u16(ip, 0);
  append(ip, datagram.source);
  append(ip, datagram.destination);
  set_u16(ip, ip_checksum_at, folded(sum_of(ip)));

  Bytes frame;
  append(frame, datagram.to);
  append(frame, datagram.from);
  append_u16(frame, ethertype_ipv4);
  append(frame, View(ip));
  append(frame, View(udp));
  return frame;
}

std::optional<Datagram> parse_frame(View frame, Checksum checksum) {
  if (frame.size() < ethernet_bytes + ip_bytes + udp_bytes) return std::nullopt;
  if (u16_at(frame, 12) != ethertype_ipv4) return std::nullopt;
  View ip = frame.subspan(ethernet_bytes);
  const std::size_t header = (ip[0] & 0x0fu) * 4;
  const std::size_t total = u16_at(ip, 2);
  if (ip[0] >> 4 != 4 || header < ip_bytes || total < header + udp_bytes || total > ip.size())
    return std::nullopt;
  if (folded(sum_of(ip.first(header))) != 0 || ip[9] != protocol_udp) return std::nullopt;
  if ((u16_at(ip, 6) & 0x3fff) != 0) return std::nullopt;  // more fragments, or not the first

  ip = ip.first(total);
  const std::size_t length = u16_at(ip, header + 4);
  if (length < udp_bytes || length > total - header) return std::nullopt;
  const View udp = ip.subspan(header, length);
  const bool has_checksum = u16_at(udp, udp_checksum_at) != 0;
  if (has_checksum && checksum == Checksum::done &&
      udp_checksum(ip.subspan(12, 4), ip.subspan(16, 4), udp) != 0)
    return std::nullopt;
  const View payload = udp.subspan(udp_bytes);
  return Datagram{.from = mac_at(frame, 6),
                  .to = mac_at(frame, 0),
                  .source = v4_at(ip, 12),
                  .destination = v4_at(ip, 16),
                  .source_port = u16_at(udp, 0),
                  .destination_port = u16_at(udp, 2),
                  .payload = Bytes(payload.begin(), payload.end())};
}

}  // namespace netd::dhcp
