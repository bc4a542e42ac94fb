#include "netd/cluster_claims.h"

#include <algorithm>

#include "netd/value_json.h"

namespace netd {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BoundNetwork, id, cluster, name, api)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BoundPool, id, cluster, subnet, network, process)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BoundClaim, id, token, cluster, network, ipv4, ipv6,
                                                mac, name, process)

namespace {

constexpr const char* network_prefix = "bound/network/";
constexpr const char* pool_prefix = "bound/pool/";
constexpr const char* claim_prefix = "bound/claim/";

template <class T>
Change written(const char* prefix, const T& value) {
  return {prefix + value.id, nlohmann::json(value).dump()};
}

/// One that can't be read names its key.
template <class T>
void load_all(Store& store, const char* prefix, std::map<std::string, T>& values) {
  for (const Entry& entry : store.list(prefix)) {
    try {
      T value = nlohmann::json::parse(entry.value).get<T>();
      values.emplace(value.id, std::move(value));
    } catch (const std::exception& error) {
      throw std::runtime_error("the store's record " + entry.key + " is damaged: " + error.what());
    }
  }
}

template <class T>
const T* find_in(const std::map<std::string, T>& values, const std::string& id) {
  const auto found = values.find(id);
  return found == values.end() ? nullptr : &found->second;
}

}  // namespace

bool BoundClaim::has(const ipam::Address& address) const {
  const auto& own = address.is_v4() ? ipv4 : ipv6;
  return own && own->address == address;
}

void ClusterClaims::load(bool same_host,
                         const std::function<bool(const std::string& id)>& has_endpoint) {
  load_all(store_, network_prefix, networks_);
  load_all(store_, pool_prefix, pools_);
  load_all(store_, claim_prefix, claims_);
  std::vector<Change> gone;
  std::erase_if(pools_, [&](const auto& entry) {
    const bool goes = entry.second.network.empty() ? !same_host : !network(entry.second.network);
    if (goes) gone.push_back({pool_prefix + entry.first, std::nullopt});
    return goes;
  });
  // netd died when the endpoint had it, and this record was still there.
  std::erase_if(claims_, [&](const auto& entry) {
    const bool goes = has_endpoint(entry.first);
    if (goes) gone.push_back({claim_prefix + entry.first, std::nullopt});
    return goes;
  });
  if (!gone.empty()) store_.txn({}, gone, Durability::process);
  strike_out([&](const BoundClaim& claim) { return !same_host || (!claim.ipv4 && !claim.ipv6); });
}

const BoundNetwork* ClusterClaims::network(const std::string& id) const {
  return find_in(networks_, id);
}

std::vector<const BoundNetwork*> ClusterClaims::networks() const {
  std::vector<const BoundNetwork*> all;
  for (const auto& [id, network] : networks_)
    all.push_back(&network);
  return all;
}

const BoundPool* ClusterClaims::pool(const std::string& id) const {
  return find_in(pools_, id);
}

void ClusterClaims::add_pool(const BoundPool& pool) {
  store_.txn({}, {written(pool_prefix, pool)}, Durability::process);
  pools_.insert_or_assign(pool.id, pool);
}

std::vector<const BoundPool*> ClusterClaims::unbound() const {
  std::vector<const BoundPool*> all;
  for (const auto& [id, pool] : pools_)
    if (pool.network.empty()) all.push_back(&pool);
  return all;
}

void ClusterClaims::bind(const BoundNetwork& network, const std::vector<std::string>& pools) {
  std::vector<Change> changes{written(network_prefix, network)};
  std::vector<BoundPool> bound;
  for (const std::string& id : pools) {
    bound.push_back(pools_.at(id));
    bound.back().network = network.id;
    changes.push_back(written(pool_prefix, bound.back()));
  }
  store_.txn({}, changes, Durability::power);
  networks_.insert_or_assign(network.id, network);
  for (const BoundPool& pool : bound)
    pools_.insert_or_assign(pool.id, pool);
}

void ClusterClaims::unbind(const std::string& id) {
  strike_out([&](const BoundClaim& claim) { return claim.network == id; });
  std::vector<Change> changes{{network_prefix + id, std::nullopt}};
  for (const auto& [pool_id, pool] : pools_)
    if (pool.network == id) changes.push_back({pool_prefix + pool_id, std::nullopt});
  store_.txn({}, changes, Durability::power);
  std::erase_if(pools_, [&](const auto& entry) { return entry.second.network == id; });
  networks_.erase(id);
}

void ClusterClaims::close_pool(const std::string& id) {
  const BoundPool* found = pool(id);
  if (!found || !found->network.empty()) return;
  store_.txn({}, {{pool_prefix + id, std::nullopt}}, Durability::process);
  pools_.erase(id);
}

bool ClusterClaims::is_bound(const std::string& cluster) const {
  return std::ranges::any_of(networks_,
                             [&](const auto& entry) { return entry.second.cluster == cluster; });
}

std::vector<BoundClaim> ClusterClaims::claims() const {
  std::vector<BoundClaim> all;
  for (const auto& [id, claim] : claims_)
    all.push_back(claim);
  return all;
}

const BoundClaim* ClusterClaims::claim(const std::string& id) const {
  return find_in(claims_, id);
}

const BoundClaim* ClusterClaims::find(const std::string& cluster,
                                      const ipam::Address& address) const {
  for (const auto& [id, claim] : claims_)
    if (claim.cluster == cluster && claim.has(address)) return &claim;
  return nullptr;
}

void ClusterClaims::put(const BoundClaim& claim) {
  store_.txn({}, {written(claim_prefix, claim)}, Durability::process);
  claims_.insert_or_assign(claim.id, claim);
}

void ClusterClaims::pass_on(const std::string& id) {
  store_.txn({}, {drop(id)}, Durability::process);
}

Change ClusterClaims::drop(const std::string& id) {
  claims_.erase(id);
  return {claim_prefix + id, std::nullopt};
}

OwedCalls ClusterClaims::owed_by(const BoundClaim& claim) {
  return {release_of(claim.cluster, claim.id, claim.token)};
}

void ClusterClaims::strike_out(const std::function<bool(const BoundClaim&)>& wanted) {
  std::vector<Change> changes;
  std::erase_if(claims_, [&](const auto& entry) {
    if (!wanted(entry.second)) return false;
    changes.push_back(owed_change(entry.first, owed_by(entry.second)));
    changes.push_back({claim_prefix + entry.first, std::nullopt});
    return true;
  });
  if (!changes.empty()) store_.txn({}, changes, Durability::process);
}

std::size_t ClusterClaims::give_up(
    const std::function<bool(const sandbox::ProcessIdentity&)>& is_gone) {
  const auto of_gone = [&](const auto& value) { return value.process && is_gone(*value.process); };
  const std::size_t before = claims_.size() + pools_.size();
  // One that is being asked for is settled by the verb that asks.
  strike_out([&](const BoundClaim& claim) { return (claim.ipv4 || claim.ipv6) && of_gone(claim); });
  for (const BoundPool* pool : unbound())
    if (of_gone(*pool)) close_pool(std::string(pool->id));
  return before - claims_.size() - pools_.size();
}

void ClusterClaims::clear() {
  strike_out([](const BoundClaim&) { return true; });
  std::vector<Change> changes;
  for (const auto& [id, network] : networks_)
    changes.push_back({network_prefix + id, std::nullopt});
  for (const auto& [id, pool] : pools_)
    changes.push_back({pool_prefix + id, std::nullopt});
  if (!changes.empty()) store_.txn({}, changes, Durability::power);
  networks_.clear();
  pools_.clear();
}

}  // namespace netd
