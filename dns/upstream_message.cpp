#include "dns/upstream_message.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "dns/text.h"

namespace dns {
namespace {

constexpr std::uint8_t truncated_bit = 0x02;

/// The name's length octets are below 'A', so folding the case leaves them alone; type and class
/// are not letters whatever their bytes are.
bool is_same_question(std::span<const std::uint8_t> left, std::span<const std::uint8_t> right) {
  const auto name = [](std::span<const std::uint8_t> question) {
    return std::string_view(reinterpret_cast<const char*>(question.data()), question.size() - 4);
  };
  return left.size() == right.size() && equals_ignoring_case(name(left), name(right)) &&
         std::ranges::equal(left.last(4), right.last(4));
}

}  // namespace

std::size_t write_upstream_query(const Query& query, std::uint16_t id, bool with_edns,
                                 std::span<std::uint8_t> buffer) {
  std::memset(buffer.data(), 0, header_bytes);
  write_u16(buffer, 0, id);
  buffer[2] = 0x01;  // RD
  buffer[3] = static_cast<std::uint8_t>((query.authentic_data ? 0x20 : 0) |
                                        (query.checking_disabled ? 0x10 : 0));
  buffer[5] = 1;
  std::memcpy(&buffer[header_bytes], query.question.data(), query.question.size());
  const std::size_t size = header_bytes + query.question.size();
  if (!with_edns) return size;
  buffer[11] = 1;
  return size + write_opt(query, 0, ExtendedError::none, buffer.subspan(size));
}

std::optional<UpstreamResponse> UpstreamResponse::parse(std::span<const std::uint8_t> packet,
                                                        std::span<const std::uint8_t> question) {
  if (packet.size() < header_bytes + question.size() || question.size() < 5) return std::nullopt;
  const bool is_response = (packet[2] & 0x80) != 0;
  const bool is_standard = (packet[2] & 0x78) == 0;
  if (!is_response || !is_standard || read_u16(packet, 4) != 1) return std::nullopt;
  if (!is_same_question(packet.subspan(header_bytes, question.size()), question))
    return std::nullopt;
  UpstreamResponse response;
  response.packet_ = packet;
  response.question_end_ = header_bytes + question.size();
  response.rcode_ = packet[3] & 0x0f;
  if (!response.read_sections()) return std::nullopt;
  return response;
}

bool UpstreamResponse::read_sections() {
  return read_section(answer_, question_end_, read_u16(packet_, 6)) &&
         read_section(authority_, answer_.end, read_u16(packet_, 8)) &&
         read_additional(read_u16(packet_, 10));
}

bool UpstreamResponse::read_section(Section& section, std::size_t begin, unsigned records) {
  section = {begin, begin, static_cast<std::uint16_t>(records)};
  for (unsigned i = 0; i < records; ++i) {
    const auto record = read_record(packet_, section.end);
    if (!record || record->type == type::opt) return false;
    section.end = record->end;
  }
  return true;
}

/// Keeps the records before the OPT. What comes behind it would move, and with it what its
/// compressed names point to; it's only additional, so it is left out.
bool UpstreamResponse::read_additional(unsigned records) {
  additional_ = {authority_.end, authority_.end, 0};
  std::size_t offset = authority_.end;
  for (unsigned i = 0; i < records; ++i) {
    const auto record = read_record(packet_, offset);
    if (!record) return false;
    offset = record->end;
    if (record->type == type::opt) {
      if (has_opt_) return false;
      has_opt_ = true;
      rcode_ = static_cast<std::uint16_t>(rcode_ | (record->ttl >> 24) << 4);
    } else if (!has_opt_) {
      additional_.end = record->end;
      ++additional_.records;
    }
  }
  return true;
}

UpstreamResponse::Section UpstreamResponse::answers_within(std::size_t room) const {
  if (answer_.size() <= room) return answer_;
  Section section{answer_.begin, answer_.begin, 0};
  for (unsigned i = 0; i < answer_.records; ++i) {
    const auto record = read_record(packet_, section.end);
    if (!record || record->end - section.begin > room) break;
    section.end = record->end;
    ++section.records;
  }
  return section;
}

std::size_t UpstreamResponse::write(const Query& query, std::span<std::uint8_t> buffer) const {
  const std::size_t limit = buffer.size() - (query.has_edns ? opt_bytes : 0);
  const Section answers = answers_within(limit - question_end_);
  const bool has_all_answers = answers.records == answer_.records;
  std::size_t size = question_end_ + answers.size();
  const bool has_authority = has_all_answers && authority_.size() <= limit - size;
  const std::size_t authority_bytes = has_authority ? authority_.size() : 0;
  const bool has_additional = has_authority && additional_.size() <= limit - size - authority_bytes;

  std::memcpy(buffer.data(), packet_.data(), header_bytes);
  std::memcpy(&buffer[header_bytes], query.question.data(), query.question.size());
  // The three sections follow each other as they did, so compressed names still point right.
  size += authority_bytes + (has_additional ? additional_.size() : 0);
  std::memcpy(&buffer[question_end_], &packet_[question_end_ - 1] + 1, size - question_end_);

  write_u16(buffer, 0, query.id);
  buffer[2] = static_cast<std::uint8_t>((packet_[2] & 0x86) | (query.recursion_desired ? 1 : 0) |
                                        (has_all_answers && has_authority ? 0 : truncated_bit));
  buffer[3] = static_cast<std::uint8_t>(0x80 | (packet_[3] & 0x20) | (rcode_ & 0x0f) |
                                        (query.checking_disabled ? 0x10 : 0));
  write_u16(buffer, 6, answers.records);
  write_u16(buffer, 8, has_authority ? authority_.records : 0);
  write_u16(buffer, 10,
            static_cast<std::uint16_t>((has_additional ? additional_.records : 0) +
                                       (query.has_edns ? 1 : 0)));
  if (!query.has_edns) return size;
  return size + write_opt(query, rcode_, ExtendedError::none, buffer.subspan(size));
}

}  // namespace dns
