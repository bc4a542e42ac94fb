#include "netd/engine_claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "netd/error.h"
#include "netd/value_json.h"

namespace netd {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimedPool, id, subnet, range, leased, network_id,
                                                process)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimedAddress, pool, address, name, gateway,
                                                process, chosen)

namespace {

constexpr const char* pool_prefix = "pool/";
constexpr const char* address_prefix = "address/";

std::string key_of(const std::string& pool) {
  return pool_prefix + pool;
}

std::string key_of(const std::string& pool, const ipam::Address& address) {
  return fmt::format("{}{}/{}", address_prefix, pool, address.to_string());
}

/// All values below a prefix; one that can't be read names its key.
template <class T>
std::vector<T> load_all(Store& store, const char* prefix) {
  std::vector<T> values;
  for (const Entry& entry : store.list(prefix)) {
    try {
      values.push_back(nlohmann::json::parse(entry.value).get<T>());
    } catch (const std::exception& error) {
      throw std::runtime_error("the store's record " + entry.key + " is damaged: " + error.what());
    }
  }
  return values;
}

}  // namespace

void EngineClaims::load(bool same_host) {
  std::vector<Change> gone;
  for (ClaimedPool& pool : load_all<ClaimedPool>(store_, pool_prefix)) {
    // Bound to a network that was not stored any more: as if it had never been.
    if (addresses_.pools(pool.network_id).empty()) pool.network_id.clear();
    if (pool.network_id.empty() && !same_host) {
      gone.push_back({key_of(pool.id), std::nullopt});
      continue;
    }
    if (pool.network_id.empty())
      addresses_.reopen_claim(pool.id, {.subnet = pool.subnet, .range = pool.range}, pool.leased);
    pools_.emplace(pool.id, std::move(pool));
  }
  for (ClaimedAddress& claimed : load_all<ClaimedAddress>(store_, address_prefix)) {
    const auto pool = pools_.find(claimed.pool);
    // What cannot be taken is an endpoint's: netd died between the two records.
    if (same_host && pool != pools_.end() &&
        addresses_.take(pool->second.holder(), pool->second.subnet, claimed.address,
                        Addresses::Choice::next))
      claimed_.emplace(AddressKey{claimed.pool, claimed.address}, std::move(claimed));
    else
      gone.push_back({key_of(claimed.pool, claimed.address), std::nullopt});
  }
  if (!gone.empty()) store_.txn({}, gone, Durability::process);
}

ClaimedPool EngineClaims::open_pool(const std::string& id, const PoolAsk& ask,
                                    const Addresses::Request& request) {
  const ipam::Family family = ask.ipv6 ? ipam::Family::v6 : ipam::Family::v4;
  if (ask.pool.subnet && ask.pool.subnet->family() != family)
    throw std::invalid_argument(fmt::format("Pool {} is not {}", ask.pool.subnet->to_string(),
                                            ask.ipv6 ? "IPv6 (V6 is true)" : "IPv4"));
  ClaimedPool pool{.id = id, .range = ask.pool.range, .process = ask.process};
  pool.subnet = addresses_.open_claim(request, family);
  pool.leased = !ask.pool.subnet || ipam::is_size_request(*ask.pool.subnet);
  try {
    store_.txn({}, {{key_of(id), nlohmann::json(pool).dump()}}, Durability::process);
  } catch (...) {
    addresses_.close(id);
    throw;
  }
  pools_.emplace(id, pool);
  return pool;
}

void EngineClaims::close_pool(const std::string& id) {
  const auto pool = pools_.find(id);
  if (pool == pools_.end()) return;
  for (const auto& [key, claimed] : claimed_)
    if (key.first == id) addresses_.release(pool->second.holder(), key.second);
  std::vector<Change> changes = erase_addresses_of(id);
  changes.push_back({key_of(id), std::nullopt});
  store_.txn({}, changes, Durability::process);
  if (pool->second.network_id.empty()) addresses_.close(id);
  pools_.erase(pool);
}

const ClaimedPool* EngineClaims::find_pool(const std::string& id) const {
  const auto found = pools_.find(id);
  return found == pools_.end() ? nullptr : &found->second;
}

const ClaimedAddress* EngineClaims::find_again(const AddressAsk& ask) const {
  // Two containers don't ask for one address at a time, and where they do, only one of them gets to
  // make its endpoint with it.
  if (ask.address) {
    const auto found = claimed_.find({ask.pool, *ask.address});
    return found == claimed_.end() || found->second.process != ask.process ? nullptr
                                                                           : &found->second;
  }
  if (!ask.gateway && ask.name.empty()) return nullptr;
  const auto found = std::ranges::find_if(claimed_, [&](const auto& entry) {
    const ClaimedAddress& claimed = entry.second;
    return claimed.pool == ask.pool && claimed.gateway == ask.gateway && claimed.name == ask.name &&
           claimed.process == ask.process;
  });
  return found == claimed_.end() ? nullptr : &found->second;
}

bool EngineClaims::is_chosen_gateway(const std::string& pool, const ipam::Address& address) const {
  const auto found = claimed_.find({pool, address});
  return found != claimed_.end() && found->second.gateway && found->second.chosen;
}

ipam::Prefix EngineClaims::take_address(const AddressAsk& ask) {
  const ClaimedPool* pool = find_pool(ask.pool);
  if (!pool) throw Error(ErrorKind::not_found, fmt::format("pool {} is not known", ask.pool));
  if (const ClaimedAddress* again = find_again(ask)) return {again->address, pool->subnet.length};
  if (ask.address && !pool->subnet.contains(*ask.address))
    throw std::invalid_argument(
        fmt::format("requested address {} is out of range: the subnet is {}",
                    ask.address->to_string(), pool->subnet.to_string()));
  const auto address =
      addresses_.take(pool->holder(), pool->subnet, ask.address,
                      ask.gateway ? Addresses::Choice::first : Addresses::Choice::next);
  if (!address && ask.address)
    throw drivers::Refused(fmt::format("Address already in use: {}", ask.address->to_string()));
  if (!address)
    throw Error(ErrorKind::internal,
                fmt::format("no available addresses in {}",
                            (pool->range ? *pool->range : pool->subnet).to_string()));
  try {
    put({ask.pool, *address, ask.name, ask.gateway, ask.process, !ask.address});
  } catch (...) {
    addresses_.release(pool->holder(), *address);
    throw;
  }
  return {*address, pool->subnet.length};
}

void EngineClaims::release_address(const std::string& pool, const ipam::Address& address) {
  const ClaimedPool* of = find_pool(pool);
  if (!of || !claimed_.contains({pool, address})) return;
  erase({pool, address});
  addresses_.release(of->holder(), address);
}

const ClaimedPool* EngineClaims::find_claim(
    const ipam::Prefix& subnet, const std::optional<ipam::Address>& gateway,
    const std::optional<sandbox::ProcessIdentity>& process) const {
  const ClaimedPool* best = nullptr;
  int best_rank = -1;
  for (const auto& [id, pool] : pools_) {
    if (pool.subnet != subnet || !pool.network_id.empty()) continue;
    const int rank = 2 * (pool.process == process) + (gateway && claimed_.contains({id, *gateway}));
    if (rank <= best_rank) continue;
    best = &pool;
    best_rank = rank;
  }
  return best;
}

void EngineClaims::bind(const std::string& network_id, const std::vector<Addresses::Claim>& claims,
                        const std::vector<ipam::Address>& owned) {
  std::vector<Change> changes;
  for (const Addresses::Claim& claim : claims) {
    ClaimedPool& pool = pools_.at(claim.id);
    pool.network_id = network_id;
    changes.push_back({key_of(claim.id), nlohmann::json(pool).dump()});
    for (const ipam::Address& address : owned) {
      addresses_.reserve(network_id, address);
      if (claimed_.erase({claim.id, address}) != 0)
        changes.push_back({key_of(claim.id, address), std::nullopt});
    }
  }
  if (!changes.empty()) store_.txn({}, changes, Durability::power);
}

void EngineClaims::unbind(const std::vector<Addresses::Claim>& claims) {
  std::vector<Change> changes;
  for (const Addresses::Claim& claim : claims) {
    ClaimedPool& pool = pools_.at(claim.id);
    pool.network_id.clear();
    changes.push_back({key_of(claim.id), nlohmann::json(pool).dump()});
  }
  if (!changes.empty()) store_.txn({}, changes, Durability::process);
}

void EngineClaims::drop_network(const std::string& network_id) {
  std::vector<Change> changes;
  std::erase_if(pools_, [&](const auto& entry) {
    if (entry.second.network_id != network_id) return false;
    std::ranges::move(erase_addresses_of(entry.first), std::back_inserter(changes));
    changes.push_back({key_of(entry.first), std::nullopt});
    return true;
  });
  if (!changes.empty()) store_.txn({}, changes, Durability::power);
}

const ClaimedPool* EngineClaims::pool_of(const std::string& network_id,
                                         const ipam::Address& address) const {
  const auto found = std::ranges::find_if(pools_, [&](const auto& entry) {
    return entry.second.network_id == network_id && entry.second.subnet.contains(address);
  });
  return found == pools_.end() ? nullptr : &found->second;
}

bool EngineClaims::own(const std::string& network_id, const ipam::Address& address) {
  if (const ClaimedPool* pool = pool_of(network_id, address);
      pool && claimed_.contains({pool->id, address})) {
    erase({pool->id, address});
    return true;
  }
  // Not asked for here: the engine's own IPAM chose it, or it was given up meanwhile.
  for (const ipam::Pool& pool : addresses_.pools(network_id))
    if (pool.contains(address))
      return addresses_.take(network_id, pool.subnet(), address, Addresses::Choice::next)
          .has_value();
  return false;
}

void EngineClaims::disown(const std::string& network_id, const ipam::Address& address,
                          const std::optional<sandbox::ProcessIdentity>& process) {
  if (const ClaimedPool* pool = pool_of(network_id, address))
    put({pool->id, address, "", false, process});
  else
    addresses_.release(network_id, address);
}

std::size_t EngineClaims::give_up(
    const std::function<bool(const sandbox::ProcessIdentity&)>& is_gone) {
  std::vector<AddressKey> addresses;
  for (const auto& [key, claimed] : claimed_)
    if (claimed.process && is_gone(*claimed.process)) addresses.push_back(key);
  for (const AddressKey& key : addresses)
    release_address(key.first, key.second);
  std::vector<std::string> pools;
  for (const auto& [id, pool] : pools_)
    if (pool.network_id.empty() && pool.process && is_gone(*pool.process)) pools.push_back(id);
  for (const std::string& id : pools)
    close_pool(id);
  return addresses.size() + pools.size();
}

void EngineClaims::clear() {
  std::vector<Change> changes;
  for (const auto& [key, claimed] : claimed_)
    changes.push_back({key_of(key.first, key.second), std::nullopt});
  for (const auto& [id, pool] : pools_) {
    changes.push_back({key_of(id), std::nullopt});
    if (pool.network_id.empty()) addresses_.close(id);
  }
  if (!changes.empty()) store_.txn({}, changes, Durability::power);
  claimed_.clear();
  pools_.clear();
}

void EngineClaims::put(const ClaimedAddress& claimed) {
  store_.txn({}, {{key_of(claimed.pool, claimed.address), nlohmann::json(claimed).dump()}},
             Durability::process);
  claimed_.insert_or_assign({claimed.pool, claimed.address}, claimed);
}

void EngineClaims::erase(const AddressKey& key) {
  store_.txn({}, {{key_of(key.first, key.second), std::nullopt}}, Durability::process);
  claimed_.erase(key);
}

std::vector<Change> EngineClaims::erase_addresses_of(const std::string& pool) {
  std::vector<Change> changes;
  std::erase_if(claimed_, [&](const auto& entry) {
    if (entry.first.first != pool) return false;
    changes.push_back({key_of(pool, entry.first.second), std::nullopt});
    return true;
  });
  return changes;
}

}  // namespace netd
