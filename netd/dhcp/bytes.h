// Numbers in network order, in and out of packets. Offsets must lie within: callers have checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ipam/address.h"

namespace netd::dhcp {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

inline std::uint16_t u16_at(View bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

inline std::uint32_t u32_at(View bytes, std::size_t offset) {
  return static_cast<std::uint32_t>(u16_at(bytes, offset)) << 16 | u16_at(bytes, offset + 2);
}

inline ipam::Address v4_at(View bytes, std::size_t offset) {
  return ipam::Address::v4(u32_at(bytes, offset));
}

inline ipam::Mac mac_at(View bytes, std::size_t offset) {
  ipam::Mac mac;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i)
    mac.bytes[i] = bytes[offset + i];
  return mac;
}

inline void append(Bytes& bytes, View more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

inline void append_u16(Bytes& bytes, std::uint16_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

inline void append_u32(Bytes& bytes, std::uint32_t value) {
  append_u16(bytes, static_cast<std::uint16_t>(value >> 16));
  append_u16(bytes, static_cast<std::uint16_t>(value));
}

inline void append(Bytes& bytes, const ipam::Mac& mac) {
  append(bytes, View(mac.bytes));
}

/// The four bytes of an IPv4 address.
inline void append(Bytes& bytes, const ipam::Address& address) {
  append(bytes, address.bytes());
}

inline void set_u16(Bytes& bytes, std::size_t offset, std::uint16_t value) {
  bytes[offset] = static_cast<std::uint8_t>(value >> 8);
  bytes[offset + 1] = static_cast<std::uint8_t>(value);
}

}  // namespace netd::dhcp
