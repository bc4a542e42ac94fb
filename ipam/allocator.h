// Which subnets are in use on this host, and which is the next free one: Docker's "address space"
// (libnetwork.md 4.1, 4.2). Knows nothing of networks: the caller turns an answer into a text.
//
//     Allocator space(complete_address_pools({}, host_digest));
//     space.choose(Family::v4, host_routes);            // 172.17.0.0/16, now taken
//     space.choose(Family::v4, host_routes, 24);        // "--subnet 0.0.0.0/24": a /24 of the
//     pools if (auto conflict = space.take({.subnet = s}))    // "--subnet": conflict->with is in
//     the way space.release({.subnet = s});
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ipam/address.h"

namespace ipam {

/// A prefix that subnets of `size` bits length are cut from ("default-address-pools").
struct AddressPool {
  Prefix base;
  int size = 0;

  /// Whether `size` is at least the base's length (at least 1) and at most the family's bits.
  bool is_valid() const;
  friend bool operator==(const AddressPool&, const AddressPool&) = default;
};

/// Docker's IPv4 list: 31 networks from 172.17.0.0/16 … 172.31.0.0/16 and 192.168.0.0/16 in /20s.
std::vector<AddressPool> default_address_pools();

/// The host's own fd00::/8 prefix, a /48 (RFC 4193). `host_digest`: the first 8 bytes, big endian,
/// of the SHA-256 of the host's id; its low 40 bits are used, so that the prefix is stable per
/// host.
Prefix unique_local_prefix(std::uint64_t host_digest);

/// `configured` plus, for each family it doesn't mention, Docker's default: the IPv4 list above;
/// /64s from the host's unique local prefix.
std::vector<AddressPool> complete_address_pools(std::vector<AddressPool> configured,
                                                std::uint64_t host_digest);

/// Whether a user's subnet means "any subnet of this length": "0.0.0.0/24", "::/56". Not
/// "0.0.0.0/0".
bool is_size_request(const Prefix& subnet);

/// A network's hold on a subnet.
struct Lease {
  Prefix subnet;
  std::optional<Prefix> range = std::nullopt;
  /// Whether others with `shared` may hold overlapping subnets as long as the ranges don't overlap:
  /// how several macvlan networks divide one LAN. Means nothing without a range.
  bool shared = false;

  friend bool operator==(const Lease&, const Lease&) = default;
};

/// What is in the way of a lease.
struct Conflict {
  Prefix with;  // the subnet of the older lease
};

class Allocator {
 public:
  /// Sorts the pools and drops invalid ones and those inside another one.
  explicit Allocator(std::vector<AddressPool> pools);

  /// The lowest free subnet of the pools that overlaps no lease and none of `reserved` (the host's
  /// routes and name servers; both families may be in it), now leased. With `size` it has that
  /// length instead of the pool's own. Absent when the pools are used up, or no pool can hold that
  /// length: can_choose() tells which. The same leases give the same answer, in any order of their
  /// taking.
  std::optional<Prefix> choose(Family family, std::span<const Prefix> reserved,
                               std::optional<int> size = std::nullopt);
  /// Whether some pool of the family is large enough for subnets of that length, in use or not.
  bool can_choose(Family family, std::optional<int> size = std::nullopt) const;

  /// Leases a subnet the user named; the pools don't matter. Answers what is in the way, if
  /// anything. Host bits are ignored.
  std::optional<Conflict> take(const Lease& lease);
  /// What take() would answer.
  std::optional<Conflict> find_conflict(const Lease& lease) const;
  /// Ends a lease; what choose() gave ends as `{.subnet = s}`. Nothing happens for an unknown one.
  void release(const Lease& lease);

  /// How many leases there are.
  std::size_t size() const { return leases_.size(); }
  const std::vector<AddressPool>& pools() const { return pools_; }

 private:
  struct Blocked;
  std::vector<Blocked> blocked_in(const Prefix& base, std::span<const Prefix> reserved) const;
  std::vector<const Lease*> overlapping(const Prefix& subnet) const;

  std::vector<AddressPool> pools_;       // sorted, disjoint
  std::multimap<Prefix, Lease> leases_;  // by subnet
};

}  // namespace ipam
