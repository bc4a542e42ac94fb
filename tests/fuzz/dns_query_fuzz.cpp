// A query from a container: parsed, answered from a small view. Whatever comes out must be a
// message within the limit that a parser accepts.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "dns/answer.h"

namespace {

ipam::Address address(const char* text) {
  return *ipam::Address::parse(text);
}

dns::Snapshot make_snapshot(dns::Forwarding forwarding) {
  const dns::Zone empty("shop.example", {*ipam::Prefix::parse("10.5.0.0/20")});
  auto zone = empty.with({"1", {"web", "Cafe"}, {address("10.5.0.2"), address("fd00::2")}});
  for (int i = 0; i < 40; ++i)
    zone = zone->with({"many" + std::to_string(i), {"many"}, {ipam::Address::v4(0x0a050100u + i)}});
  dns::View view{.zones = {std::make_shared<const dns::ZoneHandle>(zone)},
                 .links = {{"db", "Web"}},
                 .forwarding = forwarding,
                 .servers = {address("192.0.2.1")}};
  dns::Snapshot snapshot;
  snapshot.load(std::make_shared<const dns::View>(std::move(view)));
  return snapshot;
}

void require(bool condition) {
  if (!condition) std::abort();
}

void check_response(std::span<const std::uint8_t> response, const dns::Query& query) {
  require(response.size() >= dns::header_bytes && (response[2] & 0x80) != 0);
  std::size_t offset = dns::header_bytes + query.question.size();
  const unsigned records =
      dns::read_u16(response, 6) + dns::read_u16(response, 8) + dns::read_u16(response, 10);
  for (unsigned i = 0; i < records; ++i) {
    const auto record = dns::read_record(response, offset);
    require(record.has_value());
    offset = record->end;
  }
  require(offset == response.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dns::Snapshot none = make_snapshot(dns::Forwarding::none);
  static const dns::Snapshot host = make_snapshot(dns::Forwarding::host);
  static dns::Answerer answerer;
  static std::array<std::uint8_t, dns::max_udp_response> buffer;

  dns::Query query;
  const auto verdict = dns::parse_query({data, size}, query);
  if (!verdict) return 0;
  const auto limited = std::span(buffer).first(dns::udp_response_limit(query));
  if (*verdict != dns::Rcode::no_error) {
    check_response(limited.first(dns::Answerer::refuse(query, *verdict, limited).size), query);
    return 0;
  }
  for (const dns::Snapshot* snapshot : {&none, &host}) {
    const dns::Answer answer = answerer.answer(*snapshot, query, limited);
    require((answer.disposition == dns::Disposition::forward) == (answer.size == 0));
    if (answer.size > 0) check_response(limited.first(answer.size), query);
  }
  return 0;
}
