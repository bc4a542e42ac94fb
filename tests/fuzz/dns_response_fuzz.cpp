// A response from an upstream server, rewritten for clients with and without OPT and with small and
// large limits. The question is the one that the response holds, if it holds one.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "dns/upstream_message.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// Rewriting what was rewritten must change nothing but the truncation.
void check(const dns::UpstreamResponse& response, const dns::Query& query, std::size_t limit) {
  static std::array<std::uint8_t, dns::max_tcp_message + 1> buffer;
  const auto limited = std::span(buffer).first(limit);
  const std::size_t size = response.write(query, limited);
  require(size <= limit);
  const auto again = dns::UpstreamResponse::parse(limited.first(size), query.question);
  require(again.has_value());
  require(again->has_opt() == query.has_edns);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > dns::max_tcp_message || size < dns::header_bytes) return 0;
  const std::span<const std::uint8_t> packet(data, size);
  // What a client must have asked to get this.
  std::vector<std::uint8_t> asked(packet.begin(), packet.end());
  asked[2] = asked[3] = 0;
  for (std::size_t i = 6; i < dns::header_bytes; ++i)
    asked[i] = 0;
  dns::Query query;
  static_cast<void>(dns::parse_query(asked, query));
  if (query.question.empty()) return 0;

  const auto response = dns::UpstreamResponse::parse(packet, query.question);
  if (!response) return 0;
  for (const bool has_edns : {false, true}) {
    query.has_edns = has_edns;
    for (const std::size_t limit : {512u, 600u, 1232u, 4096u, 65535u})
      check(*response, query, limit);
  }
  return 0;
}
