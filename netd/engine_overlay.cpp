// An engine's networks that stand for networks of the cluster. The engine has a network of its own
// on each host (a plugin has one scope, and global needs a swarm); here there is only the
// cluster's.
#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "netd/cluster/ledger.h"
#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/log.h"
#include "netd/overlays.h"

namespace netd {
namespace {

constexpr std::size_t most_unbound = 16;  // pools of one network that one engine holds unused

std::string text_of(const std::optional<ipam::Address>& address) {
  return address ? address->to_string() : "none";
}

const drivers::Pool& subnet_of(const NetworkRecord& network, const ipam::Prefix& subnet) {
  const auto found = std::ranges::find(network.network.pools, subnet, &drivers::Pool::subnet);
  if (found == network.network.pools.end())
    throw Error(ErrorKind::not_found, fmt::format("network {} has no subnet {} any more",
                                                  network.network.name, subnet.to_string()));
  return *found;
}

/// The one of the network's subnets that an engine's pool stands for.
const drivers::Pool& choose_subnet(const NetworkRecord& network, const PoolAsk& ask) {
  const auto is_wanted = [&](const drivers::Pool& pool) {
    return pool.subnet.address.is_v4() != ask.ipv6 &&
           (!ask.pool.subnet || pool.subnet == ask.pool.subnet->masked());
  };
  const auto found = std::ranges::find_if(network.network.pools, is_wanted);
  const std::string& name = network.network.name;
  if (found == network.network.pools.end() && ask.pool.subnet)
    throw std::invalid_argument(fmt::format(
        "--subnet {}: network {} of the cluster has no such subnet: leave it out, or name one that "
        "netctl network inspect {} shows",
        ask.pool.subnet->to_string(), name, name));
  if (found == network.network.pools.end())
    throw std::invalid_argument(fmt::format("network {} of the cluster has no {} subnet", name,
                                            ask.ipv6 ? "IPv6" : "IPv4"));
  if (ask.pool.range && ask.pool.range != found->range)
    throw std::invalid_argument(fmt::format(
        "--ip-range {}: the cluster gives out the addresses of network {}: leave it out",
        ask.pool.range->to_string(), name));
  return *found;
}

/// The pools that were asked for to make this network of, by id; those of the same engine first.
std::vector<std::string> choose_pools(const ClusterClaims& claims, const EngineNetworkSpec& spec,
                                      const NetworkRecord& network) {
  std::vector<std::string> pools;
  for (const EngineNetworkSpec::Pool& each : spec.pools) {
    const BoundPool* best = nullptr;
    for (const BoundPool* pool : claims.unbound())
      if (each.ours && pool->cluster == network.network.id && pool->subnet == each.pool.subnet &&
          (!best || pool->process == spec.process))
        best = pool;
    if (!best)
      throw std::invalid_argument(
          fmt::format("-o {0}={1} without --ipam-opt {0}={1}: give --ipam-driver netd and both, "
                      "the addresses are the cluster's",
                      drivers::option_engine_network, network.network.name));
    pools.push_back(best->id);
  }
  return pools;
}

}  // namespace

bool EngineDriver::is_bound(const std::string& network_id) const {
  return state_.bound.network(network_id) != nullptr;
}

bool EngineDriver::is_bound_pool(const std::string& pool) const {
  return state_.bound.pool(pool) != nullptr;
}

const std::string& EngineDriver::here(const std::string& network_id) const {
  const BoundNetwork* bound = state_.bound.network(network_id);
  return bound ? bound->cluster : network_id;
}

const NetworkRecord& EngineDriver::bound_network(const std::string& network_id) const {
  const BoundNetwork* bound = state_.bound.network(network_id);
  const NetworkRecord* record = bound ? state_.records.network(bound->cluster) : nullptr;
  if (record) return *record;
  throw Error(
      ErrorKind::not_found,
      fmt::format("network {} was removed from the cluster: remove the engine's network that "
                  "stands for it, and create it again",
                  bound ? bound->name : network_id));
}

const NetworkRecord& EngineDriver::find_cluster_network(const std::string& name) const {
  const auto asked = fmt::format("{}={}", drivers::option_engine_network, name);
  if (!state_.config.cluster.is_member())
    throw Error(ErrorKind::forbidden,
                fmt::format("{}: this host is in no cluster: start netd with --cluster "
                            "etcd://HOST:2379 (docs/overlay.md)",
                            asked));
  const auto match = state_.records.find_network(name);
  if (match.record && match.record->network.tunnel) return *match.record;
  if (match.record)
    throw std::invalid_argument(
        fmt::format("{}: that is a network of this host (driver {}), not an overlay network of the "
                    "cluster",
                    asked, match.record->network.driver));
  if (!state_.overlays)
    throw Error(
        ErrorKind::unavailable,
        fmt::format("{}: this host has not joined its cluster yet (netctl cluster status)", asked));
  throw Error(
      ErrorKind::not_found,
      fmt::format("{}: the cluster has no such network: netctl network create -d overlay {}", asked,
                  name));
}

ClaimedPool EngineDriver::request_bound_pool(const PoolAsk& ask) {
  const NetworkRecord& of = find_cluster_network(ask.network);
  const ipam::Prefix subnet = choose_subnet(of, ask).subnet;
  // An engine asks again and again for a subnet that is not in its host's way, unless it named one.
  if (!ask.pool.subnet)
    for (const ipam::Prefix& route : state_.reserved_prefixes())
      if (route.overlaps(subnet))
        throw Error(
            ErrorKind::conflict,
            fmt::format("subnet {} of network {} overlaps {}, which this host reaches by a "
                        "route or name server of its own; --subnet {} takes it all the same",
                        subnet.to_string(), of.network.name, route.to_string(),
                        subnet.to_string()));
  const auto held = std::ranges::count_if(state_.bound.unbound(), [&](const BoundPool* pool) {
    return pool->cluster == of.network.id && pool->process == ask.process;
  });
  if (static_cast<std::size_t>(held) >= most_unbound)
    throw Error(ErrorKind::conflict,
                fmt::format("network {} was asked for {} times and not used: name its subnet "
                            "(--subnet {})",
                            of.network.name, held, subnet.to_string()));
  const BoundPool pool{.id = state_.make_id().substr(0, 16),
                       .cluster = of.network.id,
                       .subnet = subnet,
                       .network = "",
                       .process = ask.process};
  state_.bound.add_pool(pool);
  return {.id = pool.id, .subnet = subnet, .range = {}, .network_id = "", .process = ask.process};
}

void EngineDriver::stand_beside_engine(const std::string& network_id, bool beside) {
  const NetworkRecord* found = state_.records.network(network_id);
  if (!found || found->network.beside_engine == beside) return;
  NetworkRecord record = *found;
  record.network.beside_engine = beside;
  if (!record.progress.plan.empty())
    record.progress.plan = state_.driver_of(record).network_plan(record.network);
  Work work(state_.store, state_.kernel, state_.records);
  work.change(std::move(record));
  throw_failures("network " + found->network.name, work.commit(Durability::power));
}

void EngineDriver::bind_network(const EngineNetworkSpec& spec) {
  drivers::Options options = spec.options;
  const auto take = [&](std::string_view key) {
    auto node = options.extract(std::string(key));
    return node.empty() ? std::string() : std::move(node.mapped());
  };
  const std::string name = take(drivers::option_engine_network);
  std::string api = take(drivers::option_engine_api);
  if (const auto defaults = state_.config.default_network_options.find(std::string(overlay_driver));
      defaults != state_.config.default_network_options.end() && api.empty())
    api = drivers::text_option(defaults->second, drivers::option_engine_api, "");
  check_engine_api(api);
  const NetworkRecord& of = find_cluster_network(name);
  if (!options.empty())
    throw std::invalid_argument(
        fmt::format("{}: the options of network {} are the cluster's (netctl network create -d "
                    "overlay -o …): leave it out",
                    options.begin()->first, name));
  const std::vector<std::string> pools = choose_pools(state_.bound, spec, of);
  if (pools.empty())
    throw std::invalid_argument(fmt::format("network {}: the engine names no subnet", name));
  stand_beside_engine(of.network.id, true);
  state_.bound.bind(
      {.id = spec.id, .cluster = of.network.id, .name = of.network.name, .api = std::move(api)},
      pools);
  log::info("an engine's network stands for one of the cluster",
            {{"engine's", log::short_id(spec.id)}, {"network", of.network.name}});
}

void EngineDriver::unbind_network(const std::string& id) {
  const BoundNetwork bound = *state_.bound.network(id);
  for (const EndpointRecord* endpoint : state_.records.endpoints_of_network(bound.cluster))
    if (endpoint->engine && endpoint->engine->network == id) drop(EndpointRecord(*endpoint));
  state_.bound.unbind(id);
  if (!state_.bound.is_bound(bound.cluster)) stand_beside_engine(bound.cluster, false);
}

/// Of addresses that no endpoint ever has: they are the cluster's network's own, on all hosts. An
/// engine that can't ask whether a gateway is needed (before 28) takes one for every network; where
/// there is none it gets the subnet's own address, which nobody else is given.
ipam::Prefix EngineDriver::reserved_address(const AddressAsk& ask, const drivers::Pool& pool,
                                            const std::string& network) const {
  if (ask.gateway) {
    if (ask.address && ask.address != pool.gateway)
      throw std::invalid_argument(
          fmt::format("--gateway {}: that of network {} is the cluster's to say ({}): leave it out",
                      ask.address->to_string(), network, text_of(pool.gateway)));
    return {pool.gateway.value_or(pool.subnet.network()), pool.subnet.length};
  }
  for (const auto& [name, address] : pool.auxiliary)
    if (address == ask.address) return {address, pool.subnet.length};
  throw std::invalid_argument(
      fmt::format("--aux-address {}: network {} of the cluster keeps no such address: give it to "
                  "netctl network create, for all hosts",
                  text_of(ask.address), network));
}

EngineDriver::BegunClaim EngineDriver::begin_claim(const AddressAsk& ask) {
  const BoundPool& pool = *state_.bound.pool(ask.pool);
  const NetworkRecord* of = state_.records.network(pool.cluster);
  if (!of)
    throw Error(ErrorKind::not_found,
                fmt::format("pool {}: its network was removed from the cluster", pool.id));
  // What is asked for before the network is made is the network's own.
  if (ask.gateway || pool.network.empty())
    return {.known = reserved_address(ask, subnet_of(*of, pool.subnet), of->network.name),
            .claim = {}};
  if (ask.address && !pool.subnet.contains(*ask.address))
    throw std::invalid_argument(
        fmt::format("requested address {} is out of range: the subnet is {}",
                    ask.address->to_string(), pool.subnet.to_string()));
  BegunClaim begun{.known = {}, .claim = {}, .family = pool.subnet.family()};
  // An engine repeats a call whose answer it has not read.
  for (BoundClaim claim : state_.bound.claims()) {
    const auto& own = claim.of(begun.family);
    if (claim.network == pool.network && claim.process == ask.process && own &&
        pool.subnet.contains(own->address) &&
        (ask.address ? own->address == *ask.address : !ask.name.empty() && claim.name == ask.name))
      return {.known = own, .claim = {}};
  }
  begun.claim = {.id = state_.make_id(),
                 .token = cluster::make_token(),
                 .cluster = pool.cluster,
                 .network = pool.network,
                 .ipv4 = {},
                 .ipv6 = {},
                 .mac = {},
                 .name = ask.name,
                 .process = ask.process};
  state_.bound.put(begun.claim);
  return begun;
}

std::optional<BoundClaim> EngineDriver::give_back(const std::string& pool,
                                                  const ipam::Address& address) {
  const BoundPool* of = state_.bound.pool(pool);
  const BoundClaim* found = of ? state_.bound.find(of->cluster, address) : nullptr;
  if (!found) return std::nullopt;
  BoundClaim claim = *found;
  claim.of(address.family()).reset();
  if (!claim.ipv4 && !claim.ipv6) return claim;
  state_.bound.put(claim);
  return std::nullopt;
}

void EngineDriver::keep_claim(const EndpointRecord& gone) {
  const drivers::Endpoint& endpoint = gone.endpoint;
  state_.bound.put({.id = endpoint.id,
                    .token = gone.remote.claim,
                    .cluster = gone.network_id,
                    .network = gone.engine->network,
                    .ipv4 = endpoint.ipv4,
                    .ipv6 = endpoint.ipv6,
                    .mac = endpoint.mac,
                    .name = "",
                    .process = gone.engine->process});
}

EngineDriver::BegunEndpoint EngineDriver::begin_endpoint(const EngineEndpointSpec& spec) {
  const NetworkRecord& of = bound_network(spec.network_id);
  if (const EndpointRecord* before = state_.records.endpoint(spec.id);
      before && before->engine && before->network_id == of.network.id) {
    if (before->progress.state == netd::State::joined) return {*before, {}};
    throw Error(ErrorKind::conflict, fmt::format("endpoint {} is being made", spec.id));
  }
  BegunEndpoint begun{.record = describe_endpoint(spec, of), .before = {}};
  EndpointRecord& record = begun.record;
  if (!spec.ipv4 && !spec.ipv6)
    throw std::invalid_argument(
        "the endpoint has no address: the network's IPAM driver is not netd");
  for (const auto& wanted : {spec.ipv4, spec.ipv6}) {
    const BoundClaim* claim = wanted ? state_.bound.find(of.network.id, wanted->address) : nullptr;
    if (!claim) continue;  // given up meanwhile: it may be free still
    if (record.engine->container_name.empty()) record.engine->container_name = claim->name;
    if (!spec.mac && !spec.ipv4) record.endpoint.mac = claim->mac;
    begun.before.push_back(*claim);
  }
  if (const auto mac = state_.driver_of(of).default_mac(record.endpoint); mac && !spec.mac)
    record.endpoint.mac = *mac;
  const std::string& name = record.engine->container_name;
  if (!name.empty()) record.dns_names = {name};
  record.engine->network = spec.network_id;
  record.remote.claim = cluster::make_token();
  state_.write(record);
  return begun;
}

void EngineDriver::finish_endpoint(const BegunEndpoint& begun) {
  Work work(state_.store, state_.kernel, state_.records);
  work.make(begun.record);
  work.commit(Durability::process);
  for (const BoundClaim& claim : begun.before)
    state_.bound.pass_on(claim.id);
}

}  // namespace netd
