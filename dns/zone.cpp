#include "dns/zone.h"

#include <algorithm>

#include "dns/text.h"

namespace dns {
namespace {

constexpr unsigned shard_bits = 8;
constexpr std::uint64_t fnv_offset = 0xcbf29ce484222325;
constexpr std::uint64_t fnv_prime = 0x100000001b3;

// FNV's high bits, which choose the shard, are weak for short texts: MurmurHash3's finalizer.
std::uint64_t mix(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  return hash ^ (hash >> 33);
}

}  // namespace

struct Zone::Row {
  std::uint64_t hash = 0;
  std::shared_ptr<const Host> host;
  std::uint32_t index = 0;  // in host->names or host->addresses
  Key key = Key::name;
};

struct Zone::Shard {
  std::vector<Row> rows;  // sorted by hash
};

Zone::Zone(std::string network_name, std::vector<ipam::Prefix> subnets)
    : network_name_(std::move(network_name)),
      lower_network_name_(to_lower(network_name_)),
      subnets_(std::move(subnets)),
      shards_(std::size_t{1} << shard_bits) {}

std::shared_ptr<const Zone> Zone::with(const Host& host) const {
  auto zone = std::make_shared<Zone>(*this);
  zone->erase(host.endpoint_id);
  zone->insert(host);
  return zone;
}

std::shared_ptr<const Zone> Zone::without(std::string_view endpoint_id) const {
  auto zone = std::make_shared<Zone>(*this);
  zone->erase(endpoint_id);
  return zone;
}

std::vector<ipam::Address> Zone::find(std::string_view lower_name) const {
  std::vector<ipam::Address> addresses;
  find(lower_name, addresses);
  return addresses;
}

bool Zone::find(std::string_view lower_name, std::vector<ipam::Address>& addresses) const {
  addresses.clear();
  const auto wanted = hash(Key::name, lower_name);
  const Shard* found = shard(wanted);
  if (!found) return false;
  bool known = false;
  auto row = std::ranges::lower_bound(found->rows, wanted, {}, &Row::hash);
  for (; row != found->rows.end() && row->hash == wanted; ++row) {
    if (row->key != Key::name || !equals_lower(row->host->names[row->index], lower_name)) continue;
    known = true;
    addresses.insert(addresses.end(), row->host->addresses.begin(), row->host->addresses.end());
  }
  if (addresses.size() > 1) {
    std::ranges::sort(addresses);
    const auto duplicates = std::ranges::unique(addresses);
    addresses.erase(duplicates.begin(), duplicates.end());
  }
  return known;
}

std::string Zone::find_name(const ipam::Address& address) const {
  const Host* host = find_host(address);
  return host && !host->names.empty() ? host->names.front() : std::string();
}

const Host* Zone::find_host(const ipam::Address& address) const {
  const auto wanted = hash(address);
  const Shard* found = shard(wanted);
  if (!found) return nullptr;
  auto row = std::ranges::lower_bound(found->rows, wanted, {}, &Row::hash);
  for (; row != found->rows.end() && row->hash == wanted; ++row)
    if (row->key == Key::address && row->host->addresses[row->index] == address)
      return row->host.get();
  return nullptr;
}

std::uint64_t Zone::hash(Key key, std::string_view text) {
  std::uint64_t result = fnv_offset ^ static_cast<std::uint64_t>(key);
  for (const char byte : text)
    result = (result ^ static_cast<std::uint8_t>(to_lower(byte))) * fnv_prime;
  return mix(result);
}

std::uint64_t Zone::hash(const ipam::Address& address) {
  std::uint64_t result = fnv_offset ^ static_cast<std::uint64_t>(Key::address);
  for (const std::uint8_t byte : address.bytes())
    result = (result ^ byte) * fnv_prime;
  return mix(result);
}

void Zone::insert(const Host& host) {
  const auto shared = std::make_shared<const Host>(host);
  for (std::uint32_t i = 0; i < host.names.size(); ++i)
    insert_row({hash(Key::name, host.names[i]), shared, i, Key::name});
  for (std::uint32_t i = 0; i < host.addresses.size(); ++i)
    insert_row({hash(host.addresses[i]), shared, i, Key::address});
  // An endpoint id is opaque; folding its case in the hash only makes two ids share a bucket.
  insert_row({hash(Key::endpoint, host.endpoint_id), shared, 0, Key::endpoint});
}

void Zone::erase(std::string_view endpoint_id) {
  const auto wanted = hash(Key::endpoint, endpoint_id);
  const Shard* found = shard(wanted);
  if (!found) return;
  const auto row = std::ranges::find_if(found->rows, [&](const Row& candidate) {
    return candidate.key == Key::endpoint && candidate.host->endpoint_id == endpoint_id;
  });
  if (row == found->rows.end()) return;
  const std::shared_ptr<const Host> host = row->host;  // keeps it alive while its rows go
  for (const std::string& name : host->names)
    erase_row(hash(Key::name, name), host.get());
  for (const ipam::Address& address : host->addresses)
    erase_row(hash(address), host.get());
  erase_row(wanted, host.get());
}

void Zone::insert_row(Row row) {
  auto changed = std::make_shared<Shard>();
  auto& slot = shards_[row.hash >> (64 - shard_bits)];
  if (slot) {
    changed->rows.reserve(slot->rows.size() + 1);
    changed->rows = slot->rows;
  }
  const auto place = std::ranges::upper_bound(changed->rows, row.hash, {}, &Row::hash);
  changed->rows.insert(place, std::move(row));
  slot = std::move(changed);
}

void Zone::erase_row(std::uint64_t hash, const Host* host) {
  auto& slot = shards_[hash >> (64 - shard_bits)];
  if (!slot) return;
  auto changed = std::make_shared<Shard>();
  changed->rows.reserve(slot->rows.size());
  std::ranges::copy_if(slot->rows, std::back_inserter(changed->rows),
                       [&](const Row& row) { return row.hash != hash || row.host.get() != host; });
  if (changed->rows.empty()) changed.reset();
  slot = std::move(changed);
}

const Zone::Shard* Zone::shard(std::uint64_t hash) const {
  return shards_[hash >> (64 - shard_bits)].get();
}

}  // namespace dns
