#include "ipam/allocator.h"

#include <algorithm>

namespace ipam {
namespace {

constexpr int unique_local_subnet_length = 64;

Prefix v4_prefix(std::uint32_t address, int length) {
  return {Address::v4(address), length};
}

/// The prefix that a lease keeps others out of when it is shared.
Prefix held_range(const Lease& lease) {
  return lease.range ? lease.range->masked() : lease.subnet;
}

bool is_divisible(const Lease& lease) {
  return lease.shared && lease.range;
}

bool conflicts(const Lease& one, const Lease& other) {
  if (is_divisible(one) && is_divisible(other)) return held_range(one).overlaps(held_range(other));
  return one.subnet.overlaps(other.subnet);
}

Lease masked(const Lease& lease) {
  Lease result = lease;
  result.subnet = lease.subnet.masked();
  if (lease.range) result.range = lease.range->masked();
  return result;
}

/// The length of the subnets to cut from this pool; absent when it can't give one.
std::optional<int> subnet_length(const AddressPool& pool, Family family, std::optional<int> size) {
  if (pool.base.family() != family) return std::nullopt;
  const int length = size.value_or(pool.size);
  if (length < pool.base.length || length > pool.base.address.bits()) return std::nullopt;
  return length;
}

}  // namespace

/// First and last value of addresses that can't be had.
struct Allocator::Blocked {
  Offset first;
  Offset last;
};

bool AddressPool::is_valid() const {
  return size > 0 && base.length <= size && size <= base.address.bits();
}

std::vector<AddressPool> default_address_pools() {
  return {{v4_prefix(0xac110000, 16), 16}, {v4_prefix(0xac120000, 16), 16},
          {v4_prefix(0xac130000, 16), 16}, {v4_prefix(0xac140000, 14), 16},
          {v4_prefix(0xac180000, 14), 16}, {v4_prefix(0xac1c0000, 14), 16},
          {v4_prefix(0xc0a80000, 16), 20}};
}

Prefix unique_local_prefix(std::uint64_t host_digest) {
  const Offset global_id = host_digest & 0xff'ffff'ffff;
  return {Address::from_value(Family::v6, Offset{0xfd} << 120 | global_id << 80), 48};
}

std::vector<AddressPool> complete_address_pools(std::vector<AddressPool> configured,
                                                std::uint64_t host_digest) {
  const auto has = [&configured](Family family) {
    return std::any_of(configured.begin(), configured.end(),
                       [family](const AddressPool& pool) { return pool.base.family() == family; });
  };
  const bool needs_v4 = !has(Family::v4);
  const bool needs_v6 = !has(Family::v6);
  if (needs_v4) {
    const auto defaults = default_address_pools();
    configured.insert(configured.end(), defaults.begin(), defaults.end());
  }
  if (needs_v6)
    configured.push_back({unique_local_prefix(host_digest), unique_local_subnet_length});
  return configured;
}

bool is_size_request(const Prefix& subnet) {
  return subnet.address.is_any() && subnet.length > 0;
}

Allocator::Allocator(std::vector<AddressPool> pools) {
  std::erase_if(pools, [](const AddressPool& pool) { return !pool.is_valid(); });
  for (AddressPool& pool : pools)
    pool.base = pool.base.masked();
  // By base, and the wider one first: one that lies in another comes right after what holds it.
  std::stable_sort(pools.begin(), pools.end(),
                   [](const auto& a, const auto& b) { return a.base < b.base; });
  for (const AddressPool& pool : pools) {
    if (pools_.empty() || !pools_.back().base.overlaps(pool.base)) pools_.push_back(pool);
  }
}

bool Allocator::can_choose(Family family, std::optional<int> size) const {
  return std::any_of(pools_.begin(), pools_.end(), [&](const AddressPool& pool) {
    return subnet_length(pool, family, size).has_value();
  });
}

std::optional<Prefix> Allocator::choose(Family family, std::span<const Prefix> reserved,
                                        std::optional<int> size) {
  for (const AddressPool& pool : pools_) {
    const auto length = subnet_length(pool, family, size);
    if (!length) continue;
    Prefix candidate{pool.base.address, *length};
    bool has_room = true;
    for (const Blocked& blocked : blocked_in(pool.base, reserved)) {
      if (blocked.last < candidate.address.value()) continue;
      if (blocked.first > candidate.last().value()) break;
      const Address last_hit = Prefix{Address::from_value(family, blocked.last), *length}.last();
      has_room = last_hit < pool.base.last();
      if (!has_room) break;
      candidate.address = Address::from_value(family, last_hit.value() + 1);
    }
    if (!has_room) continue;
    leases_.emplace(candidate, Lease{.subnet = candidate});
    return candidate;
  }
  return std::nullopt;
}

std::optional<Conflict> Allocator::find_conflict(const Lease& lease) const {
  const Lease wanted = masked(lease);
  for (const Lease* older : overlapping(wanted.subnet)) {
    if (conflicts(wanted, *older)) return Conflict{older->subnet};
  }
  return std::nullopt;
}

std::optional<Conflict> Allocator::take(const Lease& lease) {
  if (auto conflict = find_conflict(lease)) return conflict;
  const Lease taken = masked(lease);
  leases_.emplace(taken.subnet, taken);
  return std::nullopt;
}

void Allocator::release(const Lease& lease) {
  const Lease wanted = masked(lease);
  const auto [begin, end] = leases_.equal_range(wanted.subnet);
  const auto found =
      std::find_if(begin, end, [&](const auto& entry) { return entry.second == wanted; });
  if (found != end) leases_.erase(found);
}

/// What can't be had within `base`, by first address.
std::vector<Allocator::Blocked> Allocator::blocked_in(const Prefix& base,
                                                      std::span<const Prefix> reserved) const {
  std::vector<Blocked> result;
  for (const Lease* lease : overlapping(base)) {
    result.push_back({lease->subnet.address.value(), lease->subnet.last().value()});
  }
  for (const Prefix& prefix : reserved) {
    if (!prefix.overlaps(base)) continue;
    result.push_back({prefix.network().value(), prefix.last().value()});
  }
  std::sort(result.begin(), result.end(),
            [](const Blocked& a, const Blocked& b) { return a.first < b.first; });
  return result;
}

/// The leases that overlap `subnet`: those around it, of which there can be one for each shorter
/// length, then those that begin in it.
std::vector<const Lease*> Allocator::overlapping(const Prefix& subnet) const {
  std::vector<const Lease*> result;
  for (int length = 0; length < subnet.length; ++length) {
    const auto [begin, end] = leases_.equal_range(Prefix{subnet.address, length}.masked());
    for (auto lease = begin; lease != end; ++lease)
      result.push_back(&lease->second);
  }
  const auto first = leases_.lower_bound(Prefix{subnet.address, subnet.length});
  const Address last = subnet.last();
  for (auto lease = first; lease != leases_.end() && lease->first.address <= last; ++lease) {
    result.push_back(&lease->second);
  }
  return result;
}

}  // namespace ipam
