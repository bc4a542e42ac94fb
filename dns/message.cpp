#include "dns/message.h"

#include <algorithm>
#include <cstring>

#include "dns/text.h"

namespace dns {
namespace {

constexpr std::size_t max_name_bytes = 255;  // RFC 1035 2.3.4, length octets and root included
constexpr std::size_t extended_error_bytes = 6;

void put_u16(std::uint8_t* at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

void put_u32(std::uint8_t* at, std::uint32_t value) {
  put_u16(at, static_cast<std::uint16_t>(value >> 16));
  put_u16(at + 2, static_cast<std::uint16_t>(value));
}

/// Reads the question's name into `query.name_text`; the offset behind it.
std::optional<std::size_t> read_question_name(std::span<const std::uint8_t> packet, Query& query) {
  std::size_t offset = header_bytes;
  std::size_t text = 0;
  while (offset < packet.size() && packet[offset] != 0) {
    const std::size_t label = packet[offset];
    // RFC 1035 4.1.4: a pointer could only point back, and there is no name before the question's.
    if (label > 63 || offset + 1 + label >= packet.size()) return std::nullopt;
    if (offset + 1 + label + 1 - header_bytes > max_name_bytes) return std::nullopt;
    for (std::size_t i = 1; i <= label; ++i) {
      const char byte = static_cast<char>(packet[offset + i]);
      query.has_odd_label |= byte == '.';
      query.name_text[text++] = to_lower(byte);
    }
    query.name_text[text++] = '.';
    offset += 1 + label;
  }
  if (offset >= packet.size()) return std::nullopt;
  query.name_size = static_cast<std::uint8_t>(text == 0 ? 0 : text - 1);
  return offset + 1;
}

bool options_are_well_formed(std::span<const std::uint8_t> options) {
  std::size_t offset = 0;
  while (offset < options.size()) {
    if (options.size() - offset < 4) return false;
    offset += 4u + read_u16(options, offset + 2);
  }
  return offset == options.size();
}

Rcode read_opt(std::span<const std::uint8_t> packet, const Record& record, Query& query) {
  // RFC 6891 6.1.1: one OPT, owned by the root.
  if (query.has_edns || packet[record.offset] != 0) return Rcode::format_error;
  if (!options_are_well_formed(packet.subspan(record.data, record.end - record.data)))
    return Rcode::format_error;
  query.has_edns = true;
  query.udp_size = std::max<std::uint16_t>(512, record.class_code);
  query.dnssec_ok = (record.ttl & 0x8000) != 0;
  const bool is_version_0 = ((record.ttl >> 16) & 0xff) == 0;
  return is_version_0 ? Rcode::no_error : Rcode::bad_version;
}

/// Walks what follows the question. Only the additional section's OPT counts; the query is built
/// anew for upstreams, so a signature (TSIG, SIG(0)) could not be kept.
Rcode read_rest(std::span<const std::uint8_t> packet, std::size_t offset, Query& query) {
  const unsigned ignored = read_u16(packet, 6) + read_u16(packet, 8);
  const unsigned records = ignored + read_u16(packet, 10);
  Rcode result = Rcode::no_error;
  for (unsigned i = 0; i < records; ++i) {
    const auto record = read_record(packet, offset);
    if (!record) return Rcode::format_error;
    offset = record->end;
    if (i < ignored) continue;
    if (record->type == type::tsig || record->type == type::sig) result = Rcode::not_implemented;
    if (record->type != type::opt) continue;
    const Rcode opt = read_opt(packet, *record, query);
    if (opt == Rcode::format_error) return opt;
    if (opt != Rcode::no_error) result = opt;
  }
  return result;
}

}  // namespace

std::uint16_t read_u16(std::span<const std::uint8_t> bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

void write_u16(std::span<std::uint8_t> bytes, std::size_t offset, std::uint16_t value) {
  put_u16(&bytes[offset], value);
}

std::optional<Rcode> parse_query(std::span<const std::uint8_t> packet, Query& query) {
  query.question = {};
  query.name_size = 0;
  query.has_odd_label = query.has_edns = query.dnssec_ok = false;
  query.udp_size = 512;
  if (packet.size() < header_bytes || (packet[2] & 0x80) != 0) return std::nullopt;
  query.id = read_u16(packet, 0);
  query.opcode = (packet[2] >> 3) & 0x0f;
  query.recursion_desired = (packet[2] & 0x01) != 0;
  query.authentic_data = (packet[3] & 0x20) != 0;
  query.checking_disabled = (packet[3] & 0x10) != 0;
  if (query.opcode != 0) return Rcode::not_implemented;
  if (read_u16(packet, 4) != 1) return Rcode::format_error;

  const auto name_end = read_question_name(packet, query);
  if (!name_end || packet.size() - *name_end < 4) return Rcode::format_error;
  query.type = read_u16(packet, *name_end);
  query.class_code = read_u16(packet, *name_end + 2);
  query.question = packet.subspan(header_bytes, *name_end + 4 - header_bytes);

  const Rcode rest = read_rest(packet, *name_end + 4, query);
  if (rest != Rcode::no_error) return rest;
  if (query.class_code != klass::internet && query.class_code != klass::any) return Rcode::refused;
  if (query.type == type::axfr || query.type == type::ixfr) return Rcode::refused;
  return Rcode::no_error;
}

std::optional<std::size_t> skip_name(std::span<const std::uint8_t> packet, std::size_t offset) {
  // Each label has two bytes at least, so 128 labels are more than a name can hold.
  for (int labels = 0; labels < 128 && offset < packet.size(); ++labels) {
    const std::uint8_t length = packet[offset];
    if (length == 0) return offset + 1;
    if ((length & 0xc0) == 0xc0) {
      if (packet.size() - offset < 2) return std::nullopt;
      return offset + 2;
    }
    if (length > 63) return std::nullopt;
    offset += 1u + length;
  }
  return std::nullopt;
}

std::optional<Record> read_record(std::span<const std::uint8_t> packet, std::size_t offset) {
  const auto fields = skip_name(packet, offset);
  if (!fields || *fields > packet.size() || packet.size() - *fields < 10) return std::nullopt;
  Record record{.offset = offset,
                .end = *fields + 10 + read_u16(packet, *fields + 8),
                .data = *fields + 10,
                .type = read_u16(packet, *fields),
                .class_code = read_u16(packet, *fields + 2),
                .ttl = static_cast<std::uint32_t>(read_u16(packet, *fields + 4)) << 16 |
                       read_u16(packet, *fields + 6)};
  if (record.end > packet.size()) return std::nullopt;
  return record;
}

std::size_t udp_response_limit(const Query& query) {
  return std::min<std::size_t>(query.udp_size, max_udp_response);
}

std::size_t write_opt(const Query& query, std::uint16_t rcode, ExtendedError error,
                      std::span<std::uint8_t> buffer) {
  const bool has_error = error != ExtendedError::none;
  std::uint8_t* const opt = buffer.data();
  std::memset(opt, 0, opt_bytes);
  put_u16(opt + 1, type::opt);
  put_u16(opt + 3, edns_payload);
  opt[5] = static_cast<std::uint8_t>(rcode >> 4);
  opt[7] = query.dnssec_ok ? 0x80 : 0;  // RFC 3225 3: DO is copied
  if (!has_error) return opt_bytes;
  put_u16(opt + 9, extended_error_bytes);
  put_u16(opt + 11, 15);  // RFC 8914: option code, then length and info code
  put_u16(opt + 13, 2);
  put_u16(opt + 15, static_cast<std::uint16_t>(error));
  return opt_bytes + extended_error_bytes;
}

Response::Response(const Query& query, std::span<std::uint8_t> buffer)
    : query_(query),
      buffer_(buffer),
      size_(header_bytes + query.question.size()),
      limit_(buffer.size() - (query.has_edns ? opt_bytes + extended_error_bytes : 0)) {
  std::memset(buffer_.data(), 0, header_bytes);
  put_u16(buffer_.data(), query.id);
  buffer_[2] =
      static_cast<std::uint8_t>(0x80 | query.opcode << 3 | (query.recursion_desired ? 1 : 0));
  buffer_[3] = static_cast<std::uint8_t>(0x80 | (query.checking_disabled ? 0x10 : 0));
  if (query.question.empty()) return;
  buffer_[5] = 1;
  std::memcpy(&buffer_[header_bytes], query.question.data(), query.question.size());
}

bool Response::add_address(const ipam::Address& address, std::uint32_t ttl) {
  const auto bytes = address.bytes();
  std::uint8_t* data = begin_answer(address.is_v4() ? type::a : type::aaaa, ttl, bytes.size());
  if (!data) return false;
  std::memcpy(data, bytes.data(), bytes.size());
  return true;
}

bool Response::add_pointer(std::string_view name, std::uint32_t ttl) {
  std::uint8_t* data = begin_answer(type::ptr, ttl, name.size() + 2);
  if (!data) return false;
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    *data++ = static_cast<std::uint8_t>(label.size());
    data = std::copy(label.begin(), label.end(), data);
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  *data = 0;
  return true;
}

bool Response::add_any_refusal(std::uint32_t ttl) {
  static constexpr std::uint8_t hinfo[] = {7, 'R', 'F', 'C', '8', '4', '8', '2', 0};
  std::uint8_t* data = begin_answer(type::hinfo, ttl, sizeof hinfo);
  if (!data) return false;
  std::memcpy(data, hinfo, sizeof hinfo);
  return true;
}

void Response::add_soa(std::size_t suffix, std::uint32_t ttl) {
  static constexpr std::uint8_t responsible[] = {6,   'n', 'o', 'b', 'o', 'd', 'y', 7,
                                                 'i', 'n', 'v', 'a', 'l', 'i', 'd', 0};
  constexpr std::size_t data_bytes = 2 + sizeof responsible + 20;
  std::uint8_t* at = reserve(12 + data_bytes);
  if (!at) return;
  const auto owner = static_cast<std::uint16_t>(0xc000 | (header_bytes + suffix));
  put_u16(at, owner);
  put_u16(at + 2, type::soa);
  put_u16(at + 4, klass::internet);
  put_u32(at + 6, ttl);
  put_u16(at + 10, data_bytes);
  put_u16(at + 12, owner);  // RFC 6303 3: the zone's own name, there is no real server
  std::memcpy(at + 14, responsible, sizeof responsible);
  std::uint8_t* numbers = at + 14 + sizeof responsible;
  for (const std::uint32_t number : {1u, 3600u, 1200u, 604800u, ttl}) {
    put_u32(numbers, number);
    numbers += 4;
  }
  ++authorities_;
}

std::size_t Response::finish() {
  // BADVERS is only asked for when the client sent an OPT, which then takes the upper bits.
  const auto rcode = static_cast<std::uint16_t>(rcode_);
  buffer_[3] = static_cast<std::uint8_t>((buffer_[3] & 0xf0) | (rcode & 0x0f));
  put_u16(&buffer_[6], answers_);
  put_u16(&buffer_[8], authorities_);
  if (!query_.has_edns) return size_;
  buffer_[11] = 1;
  return size_ + write_opt(query_, rcode, error_, buffer_.subspan(size_));
}

std::uint8_t* Response::reserve(std::size_t bytes) {
  if (limit_ - size_ < bytes) return nullptr;
  std::uint8_t* const at = &buffer_[size_];
  size_ += bytes;
  return at;
}

std::uint8_t* Response::begin_answer(std::uint16_t type, std::uint32_t ttl,
                                     std::size_t data_bytes) {
  std::uint8_t* const at = reserve(12 + data_bytes);
  if (!at) {
    buffer_[2] |= 0x02;  // TC
    return nullptr;
  }
  put_u16(at, 0xc000 | header_bytes);
  put_u16(at + 2, type);
  put_u16(at + 4, klass::internet);
  put_u32(at + 6, ttl);
  put_u16(at + 10, static_cast<std::uint16_t>(data_bytes));
  ++answers_;
  return at + 12;
}

}  // namespace dns
