#include "tests/dns/packets.h"

#include <fmt/format.h>

#include "dns/message.h"
#include "ipam/address.h"

namespace tests {
namespace {

void append_u16(Bytes& packet, unsigned value) {
  packet.push_back(static_cast<std::uint8_t>(value >> 8));
  packet.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

Bytes bytes(std::string_view text) {
  Bytes result;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      ++i;
    } else if (text[i] == '\'') {
      for (++i; text[i] != '\''; ++i)
        result.push_back(static_cast<std::uint8_t>(text[i]));
      ++i;
    } else {
      result.push_back(
          static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
      i += 2;
    }
  }
  return result;
}

std::string hex(std::span<const std::uint8_t> packet) {
  std::string text;
  for (std::size_t i = 0; i < packet.size(); ++i)
    text += fmt::format("{}{:02x}", i > 0 && i % 2 == 0 ? " " : "", packet[i]);
  return text;
}

Bytes opt(std::uint16_t size, std::uint32_t ttl, const Bytes& options) {
  Bytes record = {0, 0, 41};
  append_u16(record, size);
  append_u16(record, ttl >> 16);
  append_u16(record, ttl & 0xffff);
  append_u16(record, static_cast<unsigned>(options.size()));
  return record + options;
}

Bytes query(std::string_view name, std::uint16_t type, const std::vector<Bytes>& additional) {
  Bytes packet = {0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0};
  append_u16(packet, static_cast<unsigned>(additional.size()));
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    packet.push_back(static_cast<std::uint8_t>(label.size()));
    packet.insert(packet.end(), label.begin(), label.end());
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  packet.push_back(0);
  append_u16(packet, type);
  append_u16(packet, 1);
  for (const Bytes& record : additional)
    packet = packet + record;
  return packet;
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::string summary(std::span<const std::uint8_t> response) {
  if (response.size() < 12) return "no response";
  static constexpr const char* codes[] = {"noerror",  "formerr", "servfail",
                                          "nxdomain", "notimp",  "refused"};
  const unsigned code = response[3] & 0x0f;
  std::string text = code < 6 ? codes[code] : fmt::format("rcode{}", code);
  if ((response[2] & 0x04) != 0) text += " aa";
  if ((response[3] & 0x20) != 0) text += " ad";
  if ((response[2] & 0x02) != 0) text += " tc";
  return text + fmt::format(" {}/{}/{}", dns::read_u16(response, 6), dns::read_u16(response, 8),
                            dns::read_u16(response, 10));
}

std::string answers(std::span<const std::uint8_t> response) {
  if (response.size() < 12) return "no response";
  auto offset = dns::skip_name(response, 12);
  if (!offset) return "no question";
  std::string text;
  std::size_t at = *offset + 4;
  for (unsigned i = 0; i < dns::read_u16(response, 6); ++i) {
    const auto record = dns::read_record(response, at);
    if (!record) return "malformed";
    const auto address =
        ipam::Address::from_bytes(response.subspan(record->data, record->end - record->data));
    const bool is_address = record->type == dns::type::a || record->type == dns::type::aaaa;
    text += text.empty() ? "" : " ";
    text += is_address && address ? address->to_string() : fmt::format("TYPE{}", record->type);
    at = record->end;
  }
  return text;
}

}  // namespace tests
