// Values of the DHCP tests as one writes them down.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ipam/address.h"
#include "netd/dhcp/bytes.h"

namespace tests {

inline ipam::Address ip(std::string_view text) {
  return ipam::Address::parse(text).value();
}

inline ipam::Prefix prefix(std::string_view text) {
  return ipam::Prefix::parse(text).value();
}

inline ipam::Mac mac(std::string_view text) {
  return ipam::Mac::parse(text).value();
}

/// Hexadecimal digits, blanks don't count.
inline netd::dhcp::Bytes bytes(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != ' ') digits += c;
  netd::dhcp::Bytes result;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    result.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return result;
}

inline std::string hex(netd::dhcp::View view) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : view) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace tests
