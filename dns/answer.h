// What a sandbox's resolver answers by itself: pure, from what the sandbox sees and the query to
// the response's bytes. Rules: dns-nftables.md A2; libnetwork.md 5.2, 5.3.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dns/message.h"
#include "dns/zone.h"

namespace dns {

/// Lifetime of all records of ours: addresses move with their containers, so nobody may keep them
/// long.
inline constexpr std::uint32_t local_ttl = 5;

/// A view with its zones as they were at one instant.
struct Snapshot {
  /// Takes what is published now.
  void load(std::shared_ptr<const View> source);

  std::shared_ptr<const View> view;
  std::vector<std::shared_ptr<const Zone>> zones;
};

enum class Disposition {
  local,    // answered from what we know, negative answers included
  failed,   // answered with FORMERR, REFUSED, NOTIMP or BADVERS
  forward,  // nobody here knows: ask an upstream server
};

struct Answer {
  Disposition disposition = Disposition::forward;
  std::size_t size = 0;  // of the response; 0 when it has to be forwarded
};

/// Answers queries; holds nothing but scratch space. One thread at a time.
class Answerer {
 public:
  /// The answer to a query that `parse_query` accepted. `buffer`'s size is the limit of the
  /// response, at least 512. Several addresses are answered in an order that rotates from call to
  /// call.
  Answer answer(const Snapshot& snapshot, const Query& query, std::span<std::uint8_t> buffer);

  /// The answer to a query that `parse_query` wants refused.
  static Answer refuse(const Query& query, Rcode rcode, std::span<std::uint8_t> buffer);

 private:
  bool find(const Snapshot& snapshot, std::string_view name, std::size_t& authority);
  bool find_in(const Snapshot& snapshot, const Zone& zone, std::string_view name);
  Answer answer_addresses(const Query& query, std::size_t authority,
                          std::span<std::uint8_t> buffer);

  std::vector<ipam::Address> found_;  // sorted: IPv4 first
  std::uint32_t rotation_ = 0;
};

/// The address that a name of in-addr.arpa or ip6.arpa stands for (lower case, no trailing dot);
/// nothing when it isn't exactly one address.
std::optional<ipam::Address> parse_reverse_name(std::string_view name);

/// Whether each label has 1 to 63 letters, digits, '-' or '_', and all together at most 253 bytes.
bool is_host_name(std::string_view name);

}  // namespace dns
