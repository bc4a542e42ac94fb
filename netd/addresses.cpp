#include "netd/addresses.h"

#include <fmt/format.h>

#include <algorithm>

#include "netd/error.h"

namespace netd {
namespace {

using ipam::Family;

/// The family that a pool request is about; IPv4 when nothing says.
Family family_of(const PoolRequest& request) {
  if (request.subnet) return request.subnet->family();
  if (request.gateway) return request.gateway->family();
  if (request.range) return request.range->family();
  if (!request.auxiliary.empty()) return request.auxiliary.begin()->second.family();
  return Family::v4;
}

void reserve_gateway(ipam::Pool& pool, const PoolRequest& wanted, bool automatic,
                     drivers::Pool& result) {
  if (wanted.gateway) {
    if (!pool.contains(*wanted.gateway))
      throw std::invalid_argument(fmt::format("gateway {} is not in subnet {}",
                                              wanted.gateway->to_string(),
                                              result.subnet.to_string()));
    if (!pool.reserve(*wanted.gateway))
      throw Error(ErrorKind::internal,
                  fmt::format("failed to allocate gateway ({}): Address already in use",
                              wanted.gateway->to_string()));
    result.gateway = wanted.gateway;
  } else if (automatic) {
    result.gateway = pool.allocate_first();
    if (!result.gateway)
      throw std::invalid_argument(
          fmt::format("subnet {} has no address left for the gateway: choose a larger --subnet",
                      result.subnet.to_string()));
  }
}

/// DefaultGatewayIPv4/6 name the containers' router, not an address to keep free for somebody else.
void reserve_auxiliary(ipam::Pool& pool, const drivers::Pool& result) {
  for (const auto& [name, address] : result.auxiliary) {
    if (!pool.contains(address))
      throw std::invalid_argument(fmt::format("auxiliary address {}={} is not in subnet {}", name,
                                              address.to_string(), result.subnet.to_string()));
    if (address != result.gateway && !pool.reserve(address))
      throw drivers::Refused(fmt::format("auxiliary address {}={}: Address already in use", name,
                                         address.to_string()));
  }
}

[[noreturn]] void refuse_overlap(const std::function<std::string(const ipam::Prefix&)>& name_of,
                                 const ipam::Lease& lease, const ipam::Conflict& conflict) {
  throw drivers::Refused(fmt::format(
      "invalid pool request: Pool overlaps with other one on this address space: {} overlaps {} of "
      "network {}; choose another --subnet, or leave it out",
      lease.subnet.to_string(), conflict.with.to_string(), name_of(conflict.with)));
}

}  // namespace

std::vector<PoolRequest> requests_of(const std::vector<PoolRequest>& requests, Family family) {
  std::vector<PoolRequest> found;
  std::ranges::copy_if(requests, std::back_inserter(found),
                       [&](const PoolRequest& request) { return family_of(request) == family; });
  return found.empty() ? std::vector<PoolRequest>{{}} : found;  // "choose one for me"
}

Addresses::Addresses(std::vector<ipam::AddressPool> pools)
    : base_pools_(std::move(pools)), subnets_(base_pools_) {}

ipam::Prefix Addresses::lease_subnet(const Request& request, const PoolRequest& wanted,
                                     Family family, Leased& leased) {
  if (wanted.subnet && !ipam::is_size_request(*wanted.subnet)) {
    const ipam::Lease lease{.subnet = wanted.subnet->masked(), .range = wanted.range};
    if (const auto conflict = subnets_.take(lease))
      refuse_overlap(request.name_of, lease, *conflict);
    leased.leases.push_back(lease);
    return lease.subnet;
  }
  const std::optional<int> size =
      wanted.subnet ? std::optional(wanted.subnet->length) : std::nullopt;
  if (!subnets_.can_choose(family, size)) throw std::invalid_argument("invalid address pool");
  const auto chosen = subnets_.choose(family, request.reserved, size);
  if (!chosen)
    throw std::invalid_argument(
        "all predefined address pools have been fully subnetted: remove unused networks (netctl "
        "network prune), give --subnet, or set default-address-pools");
  leased.leases.push_back({.subnet = *chosen});
  return *chosen;
}

drivers::Pool Addresses::open_pool(const Request& request, const PoolRequest& wanted, Family family,
                                   Leased& leased) {
  if (wanted.range && !wanted.subnet) throw std::invalid_argument("invalid address subpool");
  drivers::Pool result{.subnet = lease_subnet(request, wanted, family, leased),
                       .range = wanted.range,
                       .auxiliary = wanted.auxiliary};
  ipam::Pool& pool = leased.pools.emplace_back(result.subnet, result.range);
  // Auxiliary addresses first: an automatic gateway must not take one of them.
  if (wanted.gateway) reserve_gateway(pool, wanted, false, result);
  reserve_auxiliary(pool, result);
  if (!wanted.gateway) reserve_gateway(pool, wanted, request.wants_gateway(family), result);
  return result;
}

std::vector<drivers::Pool> Addresses::open(const Request& request) {
  Leased leased;
  std::vector<drivers::Pool> results;
  try {
    for (const Family family : {Family::v4, Family::v6}) {
      if (family == Family::v4 ? !request.ipv4 : !request.ipv6) continue;
      for (const PoolRequest& wanted : requests_of(request.pools, family))
        results.push_back(open_pool(request, wanted, family, leased));
    }
  } catch (...) {
    release_leases(leased);
    throw;
  }
  networks_[request.network_id] = std::move(leased);
  return results;
}

void Addresses::reopen(const std::string& network_id, const std::vector<drivers::Pool>& pools) {
  Leased leased;
  for (const drivers::Pool& stored : pools) {
    const ipam::Lease lease{.subnet = stored.subnet, .range = stored.range};
    if (!subnets_.take(lease)) leased.leases.push_back(lease);
    ipam::Pool& pool = leased.pools.emplace_back(stored.subnet, stored.range);
    if (stored.gateway) pool.reserve(*stored.gateway);
    for (const auto& [name, address] : stored.auxiliary)
      pool.reserve(address);
  }
  networks_[network_id] = std::move(leased);
}

ipam::Prefix Addresses::open_claim(const Request& request, Family family) {
  const PoolRequest& wanted = request.pools.front();
  if (wanted.range && !wanted.subnet) throw std::invalid_argument("invalid address subpool");
  Leased leased;
  ipam::Prefix subnet;
  if (wanted.subnet && !ipam::is_size_request(*wanted.subnet)) {
    const ipam::Lease lease{.subnet = wanted.subnet->masked(), .range = wanted.range};
    if (const auto conflict = subnets_.find_conflict(lease))
      refuse_overlap(request.name_of, lease, *conflict);
    subnet = lease.subnet;
  } else {
    subnet = lease_subnet(request, wanted, family, leased);
  }
  leased.pools.emplace_back(subnet, wanted.range);
  networks_[request.network_id] = std::move(leased);
  return subnet;
}

void Addresses::reopen_claim(const std::string& claim, const ipam::Lease& lease, bool leased) {
  Leased again;
  if (leased && !subnets_.take(lease)) again.leases.push_back(lease);
  again.pools.emplace_back(lease.subnet, lease.range);
  networks_[claim] = std::move(again);
}

void Addresses::bind_claims(const std::string& network_id, const std::vector<Claim>& claims,
                            const std::function<std::string(const ipam::Prefix&)>& name_of) {
  std::vector<ipam::Lease> taken;
  for (const Claim& claim : claims) {
    if (!networks_.at(claim.id).leases.empty()) continue;
    if (const auto conflict = subnets_.take(claim.lease)) {
      for (const ipam::Lease& lease : taken)
        subnets_.release(lease);
      refuse_overlap(name_of, claim.lease, *conflict);
    }
    taken.push_back(claim.lease);
  }
  Leased bound;
  for (const Claim& claim : claims) {
    auto node = networks_.extract(claim.id);
    Leased& own = node.mapped();
    if (own.leases.empty()) own.leases.push_back(claim.lease);
    bound.leases.push_back(own.leases.front());
    bound.pools.push_back(std::move(own.pools.front()));
  }
  networks_[network_id] = std::move(bound);
}

void Addresses::unbind_claims(const std::string& network_id, const std::vector<Claim>& claims) {
  auto node = networks_.extract(network_id);
  for (std::size_t i = 0; i < claims.size(); ++i)
    networks_[claims[i].id] = {.leases = {node.mapped().leases[i]},
                               .pools = {std::move(node.mapped().pools[i])}};
}

ipam::Pool* Addresses::find_pool(const std::string& holder, const ipam::Prefix& subnet) {
  const auto found = networks_.find(holder);
  if (found == networks_.end()) return nullptr;
  const auto pool = std::ranges::find(found->second.pools, subnet,
                                      [](const ipam::Pool& each) { return each.subnet(); });
  return pool == found->second.pools.end() ? nullptr : &*pool;
}

std::optional<ipam::Address> Addresses::take(const std::string& holder, const ipam::Prefix& subnet,
                                             const std::optional<ipam::Address>& wanted,
                                             Choice choice) {
  ipam::Pool* pool = find_pool(holder, subnet);
  if (!pool) return std::nullopt;
  if (wanted) return pool->reserve(*wanted) ? wanted : std::nullopt;
  return choice == Choice::first ? pool->allocate_first() : pool->allocate();
}

void Addresses::release_leases(const Leased& leased) {
  for (const ipam::Lease& lease : leased.leases)
    subnets_.release(lease);
}

void Addresses::close(const std::string& network_id) {
  const auto found = networks_.find(network_id);
  if (found == networks_.end()) return;
  release_leases(found->second);
  networks_.erase(found);
}

std::optional<ipam::Prefix> Addresses::allocate(const NetworkRecord& network, Family family,
                                                const std::optional<ipam::Address>& wanted) {
  const auto found = networks_.find(network.network.id);
  bool has_family = false;
  if (found != networks_.end()) {
    for (ipam::Pool& pool : found->second.pools) {
      if (pool.subnet().family() != family) continue;
      has_family = true;
      if (wanted && !pool.contains(*wanted)) continue;
      if (wanted && !pool.reserve(*wanted))
        throw drivers::Refused(
            fmt::format("Address already in use: {} on network {}; netctl network inspect {} shows "
                        "who has it",
                        wanted->to_string(), network.network.name, network.network.name));
      if (const auto address = wanted ? wanted : pool.allocate())
        return ipam::Prefix{*address, pool.subnet().length};
    }
  }
  if (wanted)
    throw std::invalid_argument("no configured subnet contains IP address " + wanted->to_string());
  if (!has_family) return std::nullopt;
  throw Error(ErrorKind::internal,
              fmt::format("no available {} addresses on this network's address pools: {} ({})",
                          family == Family::v4 ? "IPv4" : "IPv6", network.network.name,
                          network.network.id));
}

void Addresses::reserve(const std::string& network_id, const ipam::Address& address) {
  const auto found = networks_.find(network_id);
  if (found == networks_.end()) return;
  for (ipam::Pool& pool : found->second.pools)
    if (pool.contains(address)) pool.reserve(address);
}

void Addresses::release(const std::string& network_id, const ipam::Address& address) {
  const auto found = networks_.find(network_id);
  if (found == networks_.end()) return;
  for (ipam::Pool& pool : found->second.pools)
    if (pool.contains(address)) pool.release(address);
}

const std::vector<ipam::Pool>& Addresses::pools(const std::string& network_id) const {
  static const std::vector<ipam::Pool> none;
  const auto found = networks_.find(network_id);
  return found == networks_.end() ? none : found->second.pools;
}

void Addresses::clear() {
  networks_.clear();
  subnets_ = ipam::Allocator(base_pools_);
}

}  // namespace netd
