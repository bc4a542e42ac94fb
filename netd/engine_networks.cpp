// The engine's verbs on networks.
#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/log.h"

namespace netd {
namespace {

/// Takes an option out; empty when it is not there.
std::string take(drivers::Options& options, std::string_view key) {
  auto node = options.extract(std::string(key));
  return node.empty() ? "" : std::move(node.mapped());
}

/// Gateway and auxiliary addresses, which nobody else gets.
std::vector<ipam::Address> owned_addresses(const drivers::Network& network) {
  std::vector<ipam::Address> owned;
  for (const drivers::Pool& pool : network.pools) {
    if (pool.gateway) owned.push_back(*pool.gateway);
    for (const auto& [name, address] : pool.auxiliary)
      owned.push_back(address);
  }
  return owned;
}

PoolRequest request_of(const drivers::Pool& pool) {
  return {.subnet = pool.subnet,
          .gateway = pool.gateway,
          .range = pool.range,
          .auxiliary = pool.auxiliary};
}

/// Only the pools were asked for as those of a network of the cluster.
void refuse_bound_pool(const Controller::State& state, const ipam::Prefix& subnet) {
  for (const BoundPool* pool : state.bound.unbound())
    if (const NetworkRecord* of = state.records.network(pool->cluster);
        of && pool->subnet == subnet)
      throw std::invalid_argument(
          fmt::format("--ipam-opt {0}={1} without -o {0}={1}: give both, or neither",
                      drivers::option_engine_network, of->network.name));
}

void check_subnets(const EngineNetworkSpec& spec) {
  for (const EngineNetworkSpec::Pool& each : spec.pools)
    if (each.pool.subnet.length == 0)
      throw std::invalid_argument(
          "the network's IPAM driver gives no subnet: use --ipam-driver netd, or leave it out");
}

}  // namespace

void check_engine_api(const std::string& api) {
  constexpr std::size_t longest = 107 + 7;  // unix(7): sun_path, and the scheme
  if (api.empty() || (api.starts_with("unix:///") && api.size() <= longest)) return;
  throw std::invalid_argument(
      fmt::format("{}: \"{}\" is no socket of an engine: write it like unix:///var/run/docker.sock",
                  drivers::option_engine_api, api));
}

const NetworkRecord& EngineDriver::network(const std::string& id) const {
  if (is_bound(id)) return bound_network(id);
  const NetworkRecord* record = state_.records.network(id);
  if (!record)
    throw Error(ErrorKind::not_found,
                fmt::format("network {} is not known to netd: remove it and create it again", id));
  return *record;
}

NetworkRecord EngineDriver::describe(const EngineNetworkSpec& spec) const {
  NetworkSpec wanted{.driver = "bridge", .ipv4 = spec.ipv4, .ipv6 = spec.ipv6};
  wanted.internal = spec.internal;
  wanted.options = spec.options;
  if (const std::string driver = take(wanted.options, drivers::option_engine_driver);
      !driver.empty())
    wanted.driver = driver;
  const drivers::Driver* driver = state_.drivers.find(wanted.driver);
  if (!driver || !driver->traits().has_links)
    throw std::invalid_argument(fmt::format("{}: \"{}\" is no driver for an engine's networks",
                                            drivers::option_engine_driver, wanted.driver));
  wanted.name = take(wanted.options, drivers::option_engine_name);
  const bool named = !wanted.name.empty();
  if (named)
    state_.check_network_name(wanted.name);
  else
    wanted.name = spec.id.substr(0, 12);
  NetworkRecord record = state_.describe_network(wanted, spec.id);
  record.network.beside_engine = true;
  record.engine = {.api = take(record.network.options, drivers::option_engine_api), .named = named};
  check_engine_api(record.engine->api);
  return record;
}

bool EngineDriver::wants_gateway(const EngineNetworkSpec& spec, ipam::Family family) const {
  if (spec.options.contains(std::string(drivers::option_engine_network))) return false;
  const NetworkRecord record = describe(spec);
  return state_.driver_of(record).wants_gateway(record.network, family);
}

void EngineDriver::open_pools(const EngineNetworkSpec& spec, NetworkRecord& record,
                              std::vector<Addresses::Claim>& claims) {
  check_subnets(spec);
  const bool ours = std::ranges::any_of(spec.pools, &EngineNetworkSpec::Pool::ours);
  record.ipam_driver = ours ? "netd" : "engine";
  record.engine->foreign_addresses = !ours;
  const auto name_of = [this](const ipam::Prefix& subnet) { return state_.owner_of(subnet); };
  if (!ours) {
    NetworkSpec asked;
    for (const EngineNetworkSpec::Pool& each : spec.pools)
      asked.pools.push_back(request_of(each.pool));
    state_.open_pools(asked, record, [](ipam::Family) { return false; });
    return;
  }
  for (const EngineNetworkSpec::Pool& each : spec.pools) {
    const ClaimedPool* claim =
        state_.claims.find_claim(each.pool.subnet, each.pool.gateway, spec.process);
    if (!claim) refuse_bound_pool(state_, each.pool.subnet);
    if (!claim)
      throw std::invalid_argument(
          fmt::format("invalid pool request: {} was not asked for, or is another network's: create "
                      "the network again",
                      each.pool.subnet.to_string()));
    claims.push_back({claim->id, {.subnet = claim->subnet, .range = claim->range}});
    drivers::Pool pool = each.pool;
    pool.range = claim->range;
    // On a LAN the router is somebody else, and nobody has the address that the engine was given.
    if (pool.gateway && state_.ignores_ports(record) &&
        state_.claims.is_chosen_gateway(claim->id, *pool.gateway))
      pool.gateway.reset();
    record.network.pools.push_back(std::move(pool));
  }
  state_.addresses.bind_claims(record.network.id, claims, name_of);
  try {
    state_.claims.bind(record.network.id, claims, owned_addresses(record.network));
  } catch (...) {
    state_.addresses.unbind_claims(record.network.id, claims);
    throw;
  }
}

std::vector<std::string> EngineDriver::create_network(const EngineNetworkSpec& spec) {
  state_.begin_again();
  if (state_.records.network(spec.id) || is_bound(spec.id)) return {};  // said before
  if (spec.options.contains(std::string(drivers::option_engine_network))) {
    bind_network(spec);
    return {};
  }
  NetworkRecord record = describe(spec);
  state_.check_network(record);
  std::vector<Addresses::Claim> claims;
  open_pools(spec, record, claims);
  std::vector<std::string> warnings;
  try {
    warnings = state_.finish_network(record);
  } catch (...) {
    if (claims.empty()) {
      state_.addresses.close(record.network.id);
    } else {
      state_.addresses.unbind_claims(record.network.id, claims);
      state_.claims.unbind(claims);
    }
    throw;
  }
  state_.publish_event("create", *state_.records.network(spec.id));
  return warnings;
}

void EngineDriver::delete_network(const std::string& id) {
  if (is_bound(id)) return unbind_network(id);
  const NetworkRecord* found = state_.records.network(id);
  if (!found || !found->engine) return;
  bool in_use = false;
  for (const EndpointRecord* endpoint : state_.records.endpoints_of_network(id)) {
    if (endpoint->engine)
      drop(EndpointRecord(*endpoint));
    else
      in_use = true;
  }
  if (!in_use) return state_.remove_network(*found);
  // The engine forgets the network whatever is answered: what still runs on it goes on.
  NetworkRecord kept = *found;
  kept.engine.reset();
  kept.network.beside_engine = false;
  kept.progress.plan = state_.driver_of(kept).network_plan(kept.network);
  log::warn("the engine removed a network that sandboxes are on: it is netd's own from now on",
            {{"network", kept.network.name}, {"remove with", "netctl network rm"}});
  Work work(state_.store, state_.kernel, state_.records);
  work.change(std::move(kept));
  work.commit(Durability::power);
  state_.claims.drop_network(id);
}

std::string EngineDriver::api_of(const std::string& network_id) const {
  if (const BoundNetwork* bound = state_.bound.network(network_id)) return bound->api;
  const NetworkRecord* record = state_.records.network(network_id);
  return record && record->engine ? record->engine->api : "";
}

void EngineDriver::learn_network(const std::string& network_id, const std::string& name) {
  const NetworkRecord* found = state_.records.network(network_id);
  if (!found || !found->engine || found->engine->named || found->network.name == name) return;
  NetworkRecord record = *found;
  try {
    state_.check_network_name(name);
  } catch (const std::exception& error) {
    log::warn("a network keeps its id as its name",
              {{"network", record.network.name}, {"engine's name", name}, {"why", error.what()}});
    return;
  }
  record.network.name = name;
  record.engine->named = true;
  Work work(state_.store, state_.kernel, state_.records);
  work.change(record);
  work.commit(Durability::power);
  state_.names.open_network(record.network);
  for (const EndpointRecord* endpoint : state_.records.endpoints_of_network(network_id))
    state_.names.publish(*endpoint);
}

}  // namespace netd
