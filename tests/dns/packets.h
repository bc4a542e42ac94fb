// DNS packets as tests write and read them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tests {

using Bytes = std::vector<std::uint8_t>;

/// "12 34 'web' 00": hexadecimal bytes and quoted text.
Bytes bytes(std::string_view text);
/// Bytes as "1234 0100 …", in groups of two.
std::string hex(std::span<const std::uint8_t> packet);

/// An OPT record: payload size, the TTL field, options.
Bytes opt(std::uint16_t size = 1232, std::uint32_t ttl = 0, const Bytes& options = {});

/// A query with id 0x1234 and RD for a dotted name, class IN, with `additional` as additional
/// section.
Bytes query(std::string_view name, std::uint16_t type, const std::vector<Bytes>& additional = {});

Bytes operator+(Bytes left, const Bytes& right);

/// "noerror aa ad tc 1/0/1": response code, flags that are set, records by section.
std::string summary(std::span<const std::uint8_t> response);
/// Data of the answer section: addresses as text, other types as "TYPE5"; joined by ' '.
std::string answers(std::span<const std::uint8_t> response);

}  // namespace tests
