#include "ipam/address.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace ipam {
namespace {

constexpr std::size_t group_count = 8;
using Groups = std::array<std::uint16_t, group_count>;

/// All ones in the low `count` bits.
Offset low_bits(int count) {
  if (count <= 0) return 0;
  return ~Offset{0} >> (128 - count);
}

/// The host part of a prefix as a mask.
Offset host_mask(const Prefix& prefix) {
  return low_bits(prefix.address.bits() - prefix.length);
}

/// The whole of `text` as a number in `base` with at most `digits` digits.
std::optional<unsigned> parse_number(std::string_view text, int base, std::size_t digits) {
  if (text.empty() || text.size() > digits) return std::nullopt;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Decimal without leading zeros: "010" means 8 to some readers and 10 to others.
std::optional<unsigned> parse_decimal(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return parse_number(text, 10, 3);
}

std::optional<std::uint32_t> parse_v4(std::string_view text) {
  std::uint32_t value = 0;
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto byte = parse_decimal(text.substr(0, dot));
    if (!byte || *byte > 255) return std::nullopt;
    value = value << 8 | *byte;
    text.remove_prefix(part < 3 ? dot + 1 : dot);
  }
  return value;
}

/// Reads "a:b:c" (the last may be dotted quad when `may_end_in_v4`) into `groups`; absent when
/// malformed. Empty text is zero groups.
std::optional<std::size_t> parse_groups(std::string_view text, bool may_end_in_v4, Groups& groups) {
  std::size_t count = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const bool is_last = colon == std::string_view::npos;
    const std::string_view part = text.substr(0, colon);
    if (is_last && may_end_in_v4 && part.find('.') != std::string_view::npos) {
      const auto quad = parse_v4(part);
      if (!quad || count + 2 > group_count) return std::nullopt;
      groups[count++] = static_cast<std::uint16_t>(*quad >> 16);
      groups[count++] = static_cast<std::uint16_t>(*quad);
      return count;
    }
    const auto group = parse_number(part, 16, 4);
    if (!group || count == group_count) return std::nullopt;
    groups[count++] = static_cast<std::uint16_t>(*group);
    if (is_last) return count;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;  // a single ':' at the end
  }
  return count;
}

std::optional<Groups> parse_v6(std::string_view text) {
  Groups result{};
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (parse_groups(text, true, result) != group_count) return std::nullopt;
    return result;
  }
  Groups tail{};
  const auto before = parse_groups(text.substr(0, gap), false, result);
  const auto after = parse_groups(text.substr(gap + 2), true, tail);
  if (!before || !after || *before + *after >= group_count) return std::nullopt;
  std::copy_n(tail.begin(), *after, result.end() - static_cast<std::ptrdiff_t>(*after));
  return result;
}

void append_number(std::string& text, unsigned number, int base) {
  std::array<char, 8> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, base);
  text.append(buffer.data(), end);
}

void append_v4(std::string& text, std::span<const std::uint8_t> bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) text += '.';
    append_number(text, bytes[i], 10);
  }
}

struct Run {
  std::size_t first = 0;
  std::size_t count = 0;
};

/// RFC 5952 4.2: the longest run of two or more zero groups, the first one when equal.
Run longest_zero_run(const Groups& groups) {
  Run best;
  for (std::size_t i = 0; i < group_count; ++i) {
    std::size_t end = i;
    while (end < group_count && groups[end] == 0)
      ++end;
    if (end - i > std::max<std::size_t>(best.count, 1)) best = {i, end - i};
    i = std::max(i, end);
  }
  return best;
}

void append_v6(std::string& text, const Groups& groups) {
  const Run zeros = longest_zero_run(groups);
  for (std::size_t i = 0; i < group_count;) {
    if (i == zeros.first && zeros.count > 0) {
      text += "::";
      i += zeros.count;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    append_number(text, groups[i++], 16);
  }
}

bool is_v4_mapped(std::span<const std::uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t b) { return b == 0; }) &&
         bytes[10] == 0xff && bytes[11] == 0xff;
}

std::optional<unsigned> parse_hex_pair(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  return parse_number(text, 16, 2);
}

}  // namespace

Address Address::v4(std::uint32_t host_order) {
  return from_value(Family::v4, host_order);
}

std::optional<Address> Address::from_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  Address address;
  address.family_ = bytes.size() == 4 ? Family::v4 : Family::v6;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

std::optional<Address> Address::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto value = parse_v4(text);
    if (!value) return std::nullopt;
    return v4(*value);
  }
  const auto groups = parse_v6(text);
  if (!groups) return std::nullopt;
  Address address;
  address.family_ = Family::v6;
  for (std::size_t i = 0; i < group_count; ++i) {
    address.bytes_[2 * i] = static_cast<std::uint8_t>((*groups)[i] >> 8);
    address.bytes_[2 * i + 1] = static_cast<std::uint8_t>((*groups)[i]);
  }
  return address;
}

Address Address::any(Family family) {
  return from_value(family, 0);
}

Offset Address::value() const {
  Offset value = 0;
  for (const std::uint8_t byte : bytes())
    value = value << 8 | byte;
  return value;
}

Address Address::from_value(Family family, Offset value) {
  Address address;
  address.family_ = family;
  for (std::size_t i = address.bytes().size(); i-- > 0; value >>= 8) {
    address.bytes_[i] = static_cast<std::uint8_t>(value);
  }
  return address;
}

bool Address::is_any() const {
  return *this == any(family_);
}

bool Address::is_loopback() const {
  return is_v4() ? bytes_[0] == 127 : *this == from_value(Family::v6, 1);
}

bool Address::is_link_local() const {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool Address::is_multicast() const {
  return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

std::string Address::to_string() const {
  std::string text;
  if (is_v4()) {
    append_v4(text, bytes_);
    return text;
  }
  if (is_v4_mapped(bytes_)) {  // RFC 5952 5
    text = "::ffff:";
    append_v4(text, std::span(bytes_).subspan(12));
    return text;
  }
  Groups groups{};
  for (std::size_t i = 0; i < group_count; ++i) {
    groups[i] = static_cast<std::uint16_t>(bytes_[2 * i] << 8 | bytes_[2 * i + 1]);
  }
  append_v6(text, groups);
  return text;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = Address::parse(text.substr(0, slash));
  const auto length = parse_decimal(text.substr(slash + 1));
  if (!address || !length || static_cast<int>(*length) > address->bits()) return std::nullopt;
  return Prefix{*address, static_cast<int>(*length)};
}

Address Prefix::network() const {
  return Address::from_value(family(), address.value() & ~host_mask(*this));
}

Address Prefix::last() const {
  return Address::from_value(family(), address.value() | host_mask(*this));
}

Prefix Prefix::masked() const {
  return {network(), length};
}

Offset Prefix::size() const {
  const Offset mask = host_mask(*this);
  return mask == ~Offset{0} ? mask : mask + 1;
}

bool Prefix::contains(const Address& other) const {
  return other.family() == family() && ((other.value() ^ address.value()) & ~host_mask(*this)) == 0;
}

bool Prefix::contains(const Prefix& other) const {
  return other.length >= length && contains(other.address);
}

bool Prefix::overlaps(const Prefix& other) const {
  return contains(other) || other.contains(*this);
}

std::string Prefix::to_string() const {
  std::string text = address.to_string();
  text += '/';
  append_number(text, static_cast<unsigned>(length), 10);
  return text;
}

std::optional<Mac> Mac::parse(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  const char separator = text[2];
  if (separator != ':' && separator != '-') return std::nullopt;
  Mac mac;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    const auto byte = parse_hex_pair(text.substr(3 * i, 2));
    if (!byte || (i > 0 && text[3 * i - 1] != separator)) return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(*byte);
  }
  return mac;
}

Mac Mac::local(std::uint64_t random) {
  Mac mac;
  for (std::uint8_t& byte : mac.bytes) {
    byte = static_cast<std::uint8_t>(random);
    random >>= 8;
  }
  // IEEE 802: bit 0 = group, bit 1 = locally administered.
  mac.bytes[0] = static_cast<std::uint8_t>((mac.bytes[0] & ~1u) | 2u);
  return mac;
}

std::string Mac::to_string() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    if (!text.empty()) text += ':';
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace ipam
