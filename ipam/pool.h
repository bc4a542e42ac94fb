// The addresses of one subnet: which are in use, which comes next.
//
// A sparse bitmap: memory grows with what is in use, never with the subnet's size, so that a /64
// (or
// ::/1) costs as little as a /24. Rules: Docker's default IPAM (libnetwork.md 4.3, 4.4), except
// that addresses are given next-fit instead of lowest-first: a neighbour's ARP cache or conntrack
// entry would send a stranger's packets to a container that got a freshly released address.
//
//     Pool pool(*Prefix::parse("10.5.0.0/24"), std::nullopt);
//     pool.allocate_first();                         // 10.5.0.1: the gateway
//     pool.allocate();                               // 10.5.0.2
//     pool.reserve(*Address::parse("10.5.0.77"));    // true; a second time false
//     pool.release(*Address::parse("10.5.0.2"));     // comes back when all others had their turn
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "ipam/address.h"

namespace ipam {

class Pool {
 public:
  /// Host bits of `subnet` and `range` are ignored. A `range` that isn't inside the subnet counts
  /// as the whole subnet. Never given and always in use: the network and broadcast address of an
  /// IPv4 subnet (not in /31 and /32: RFC 3021), the first address of an IPv6 subnet (not in /127
  /// and /128: RFC 6164; RFC 4291 2.6.1 makes it the routers' anycast address).
  explicit Pool(const Prefix& subnet, const std::optional<Prefix>& range = std::nullopt);

  const Prefix& subnet() const { return subnet_; }
  /// Where allocate() looks: the ip-range, else the subnet.
  const Prefix& range() const { return range_; }

  /// The next free address of the range after the last one given, round and round; absent when the
  /// range is full. reserve() and allocate_first() don't move that place.
  std::optional<Address> allocate();
  /// The lowest free address of the range; absent when it is full. For a network's gateway.
  std::optional<Address> allocate_first();
  /// Takes this address, which may lie anywhere in the subnet, also outside the range. False when
  /// it is taken already, is one of the pool's own reserved ones, or isn't in the subnet.
  bool reserve(const Address& address);
  /// Gives an address back. Nothing happens when it is free, reserved by the pool, or elsewhere.
  void release(const Address& address);

  /// Whether the address lies in the subnet.
  bool contains(const Address& address) const { return subnet_.contains(address); }
  /// Whether it is in use or reserved by the pool; false outside the subnet.
  bool is_allocated(const Address& address) const;

  /// Addresses in use in the subnet, the pool's own reserved ones included ("IPsInUse").
  std::uint64_t in_use() const { return used_; }
  /// Free addresses in the range ("DynamicIPsAvailable"); 2^64 - 1 stands for that many or more.
  std::uint64_t available() const;

  /// What the bitmap takes, roughly: grows and shrinks with the addresses in use.
  std::size_t memory_bytes() const;

 private:
  static constexpr std::size_t chunk_words = 8;
  static constexpr unsigned chunk_bits = chunk_words * 64;

  /// 512 neighbours; kept only while at least one of them is in use.
  struct Chunk {
    std::array<std::uint64_t, chunk_words> words{};
    unsigned used = 0;

    std::optional<unsigned> find_free(unsigned from) const;
  };

  Offset offset_of(const Address& address) const;
  Address address_at(Offset offset) const;
  bool is_own(Offset offset) const;
  bool is_in_range(Offset offset) const { return first_ <= offset && offset <= last_; }
  bool test(Offset offset) const;
  void set(Offset offset);
  void clear(Offset offset);
  std::optional<Offset> find_free(Offset from, Offset to) const;

  Prefix subnet_;
  Prefix range_;
  Offset first_ = 0;  // of the range, as distances from the subnet's first address
  Offset last_ = 0;
  Offset next_ = 0;  // where allocate() begins to look
  std::uint64_t used_ = 0;
  std::uint64_t used_in_range_ = 0;
  std::map<Offset, Chunk> chunks_;  // by offset / chunk_bits
};

}  // namespace ipam
