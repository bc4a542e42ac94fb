// Messages to and from upstream servers: pure, bounds-checked, no throw. What a client gets is
// built anew from what its query said; only the records of the answer are taken over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dns/message.h"

namespace dns {

inline constexpr std::size_t max_upstream_query = 512;

/// Writes the query that asks an upstream what `query` asks: recursion desired, DO, AD and CD as
/// the client has them, the question in the client's spelling, and (`with_edns`) one OPT without
/// options at the very end: c-ares 1.18 cuts those 11 bytes off when it believes that the server
/// knows no EDNS. `buffer` has max_upstream_query bytes. The size.
std::size_t write_upstream_query(const Query& query, std::uint16_t id, bool with_edns,
                                 std::span<std::uint8_t> buffer);

/// An upstream's response, checked. Borrows the packet.
class UpstreamResponse {
 public:
  /// Nothing when it is no response to `question` (name without case, type, class), isn't one at
  /// all (c-ares 1.18 doesn't look at QR), or is malformed anywhere. The id is the transport's.
  static std::optional<UpstreamResponse> parse(std::span<const std::uint8_t> packet,
                                               std::span<const std::uint8_t> question);

  /// With the OPT's extended bits.
  std::uint16_t rcode() const { return rcode_; }
  bool has_opt() const { return has_opt_; }

  /// Writes it for a client that asked `query`: its id, its spelling of the question, its OPT or
  /// none. `buffer`'s size is the limit for that client, at least 512: answers that don't fit are
  /// cut at a record's end and TC is set; then authority and additional go wholly. The size.
  std::size_t write(const Query& query, std::span<std::uint8_t> buffer) const;

 private:
  struct Section {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint16_t records = 0;
    std::size_t size() const { return end - begin; }
  };

  bool read_sections();
  bool read_section(Section& section, std::size_t begin, unsigned records);
  bool read_additional(unsigned records);
  /// As many whole answers as fit into `room`.
  Section answers_within(std::size_t room) const;

  std::span<const std::uint8_t> packet_;
  std::size_t question_end_ = 0;
  Section answer_;
  Section authority_;
  Section additional_;  // up to the OPT
  std::uint16_t rcode_ = 0;
  bool has_opt_ = false;
};

}  // namespace dns
