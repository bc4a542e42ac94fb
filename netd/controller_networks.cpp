// The verbs on networks.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "dns/listeners.h"
#include "drivers/options.h"
#include "netd/controller_state.h"
#include "netd/log.h"
#include "netd/overlays.h"
#include "netd/parents.h"
#include "sandbox/files.h"

namespace netd {
namespace {

constexpr std::size_t longest_name = 255;

void check_scope(const NetworkSpec& spec) {
  if (spec.scope == "swarm")
    throw drivers::Refused("cannot create a swarm scoped network when swarm is not active");
  if (!spec.scope.empty() && spec.scope != "local")
    throw std::invalid_argument(
        fmt::format("scope {} is not known here: leave it out or say local", spec.scope));
  if (spec.ingress) throw drivers::Refused("Ingress network can only be global scope network");
}

void check_config_only(const NetworkSpec& spec) {
  if (spec.internal || spec.attachable || spec.ingress || !spec.scope.empty())
    throw drivers::Refused(
        "configuration network can only contain network specific fields. Network operator fields "
        "like [ ingress | internal | attachable | scope ] are not supported.");
  if (!spec.config_from.empty())
    throw drivers::Refused(
        "a configuration network cannot depend on another configuration network");
}

/// The spec with what it takes from its configuration network.
NetworkSpec merge_config(const Controller::State& state, NetworkSpec spec) {
  if (spec.config_from.empty()) return spec;
  const auto match = state.records.find_network(spec.config_from);
  if (!match.record || !match.record->config_only)
    throw Error(ErrorKind::not_found,
                fmt::format("configuration network \"{}\" does not exist", spec.config_from));
  if (!spec.options.empty())
    throw drivers::Refused(
        "network driver options are not supported if the network depends on a configuration "
        "network");
  if (!spec.pools.empty() || !spec.ipam_driver.empty() || spec.ipv4 == false || spec.ipv6 == true)
    throw drivers::Refused(
        "user-specified configurations are not supported if the network depends on a configuration "
        "network");
  const NetworkRecord& from = *match.record;
  spec.config_from = from.network.name;
  spec.options = from.network.options;
  spec.ipv4 = from.network.ipv4;
  spec.ipv6 = from.network.ipv6;
  spec.ipam_driver = from.ipam_driver;
  spec.ipam_options = from.ipam_options;
  spec.labels.insert(from.labels.begin(), from.labels.end());
  for (const drivers::Pool& pool : from.network.pools)
    spec.pools.push_back({pool.subnet, pool.gateway, pool.range, pool.auxiliary});
  return spec;
}

void check_single_instance(const Controller::State& state, const drivers::Driver& driver) {
  if (!driver.traits().single_instance) return;
  for (const NetworkRecord* other : state.records.networks())
    if (other->network.driver == driver.name() && !other->config_only)
      throw drivers::Refused(
          fmt::format("only one instance of \"{}\" network is allowed", driver.name()));
}

/// Subnets the user named are taken as they are; what that may break is said.
std::vector<std::string> route_warnings(const NetworkSpec& spec,
                                        const std::vector<ipam::Prefix>& reserved) {
  std::vector<std::string> warnings;
  for (const PoolRequest& pool : spec.pools)
    for (const ipam::Prefix& route : reserved)
      if (pool.subnet && pool.subnet->length > 0 && pool.subnet->overlaps(route))
        warnings.push_back(fmt::format(
            "subnet {} overlaps {}, which this host reaches by a route or name server of its own: "
            "addresses in both lead to the containers from now on",
            pool.subnet->to_string(), route.to_string()));
  return warnings;
}

/// Somebody else's bridge, which networks may share.
bool is_unmanaged(const drivers::Network& network) {
  return drivers::bool_option(network.options, drivers::option_unmanaged, false);
}

/// A VLAN id means something only to a bridge that tells VLANs apart, and only on somebody else's
/// netd need not be in it too.
void check_adoption(const drivers::Network& network, const sandbox::LinkFacts& facts) {
  if (network.vrf_index != 0)
    throw std::invalid_argument(fmt::format(
        "{}: the bridge {} exists: put it into the VRF yourself", drivers::option_vrf, facts.name));
  if (!network.options.contains(std::string(drivers::option_vlan))) return;
  if (!is_unmanaged(network))
    throw std::invalid_argument(fmt::format("{} on the existing bridge {} needs {}=true",
                                            drivers::option_vlan, facts.name,
                                            drivers::option_unmanaged));
  if (!facts.vlan_filtering)
    throw std::invalid_argument(
        fmt::format("bridge {} does not tell VLANs apart: ip link set {} type bridge "
                    "vlan_filtering 1",
                    facts.name, facts.name));
}

/// The link the network lives on: a new one of ours, or one that is there already.
void choose_link(Controller::State& state, const drivers::Driver& driver, drivers::Network& network,
                 std::vector<std::string>& warnings) {
  if (driver.traits().on_parent) return choose_parent(state, network, warnings);
  network.link_name = driver.link_name(network);
  if (network.link_name.empty()) return;
  network.vrf_index = state.find_vrf(network);
  for (const NetworkRecord* other : state.records.networks())
    if (other->network.link_name == network.link_name &&
        !(is_unmanaged(network) && is_unmanaged(other->network)))
      throw drivers::Refused(fmt::format(
          "cannot create network {} ({}): conflicts with network {} ({}): networks have same "
          "bridge name",
          network.id, network.link_name, other->network.id, other->network.link_name));
  const auto facts = state.kernel.find_link("", network.link_name);
  if (facts && facts->kind == "bridge" && state.is_stray(facts->alias)) {
    // Ours, but no record knows it: what a lost state directory left.
    state.kernel.revert(sandbox::CreateBridge{.name = facts->name, .index = facts->index});
  } else if (facts) {
    if (facts->kind != "bridge")
      throw std::invalid_argument(
          fmt::format("existing interface {} is not a bridge", network.link_name));
    check_adoption(network, *facts);
    network.adopted_link = true;
    network.link_index = facts->index;
    network.adopted_addresses = {facts->addresses.begin(), facts->addresses.end()};
    return;
  }
  if (is_unmanaged(network))
    throw std::invalid_argument(fmt::format(
        "in unmanaged mode, the bridge must already exist on the host: {}", network.link_name));
  network.link_index = state.make_link_index();
  network.link_mac = state.make_mac();
}

}  // namespace

std::uint32_t Controller::State::find_vrf(const drivers::Network& network) const {
  const std::string name = drivers::text_option(network.options, drivers::option_vrf, "");
  if (name.empty()) return 0;
  const auto facts = kernel.find_link("", name);
  if (!facts || facts->kind != "vrf")
    throw std::invalid_argument(
        fmt::format("{}: there is no VRF {} on the host (ip link add {} type vrf table NUMBER)",
                    drivers::option_vrf, name, name));
  return facts->index;
}

bool is_own_ipam(std::string_view driver) {
  return driver.empty() || driver == "default" || driver == "null" || driver == "dhcp";
}

bool Controller::State::is_stray(const std::string& alias) const {
  constexpr std::string_view mark = "netd:";
  return alias.starts_with(mark) && !records.network(alias.substr(mark.size()));
}

void Controller::State::check_network_name(const std::string& name) const {
  if (name.empty()) throw std::invalid_argument("invalid name: name is empty");
  if (name.size() > longest_name)
    throw std::invalid_argument(fmt::format(
        "invalid name: {} bytes are too many, at most {} are allowed", name.size(), longest_name));
  for (const char* predefined : {"bridge", "host", "none", "default"})
    if (name == predefined)
      throw drivers::Refused(
          fmt::format("operation is not permitted on predefined {} network ", name));
  const auto match = records.find_network(name);
  if (match.by_name > 0 || (match.record && match.record->network.name == name))
    throw Error(ErrorKind::conflict, fmt::format("network with name {} already exists", name));
}

NetworkRecord Controller::State::describe_network(const NetworkSpec& spec, std::string id) const {
  NetworkRecord record;
  drivers::Network& network = record.network;
  network.id = std::move(id);
  network.name = spec.name;
  network.driver = spec.config_only ? "null" : spec.driver.empty() ? "bridge" : spec.driver;
  network.options = spec.options;
  if (const auto defaults = config.default_network_options.find(network.driver);
      defaults != config.default_network_options.end() && spec.config_from.empty())
    network.options.insert(defaults->second.begin(), defaults->second.end());
  network.ipv4 =
      spec.ipv4.value_or(drivers::bool_option(network.options, drivers::option_enable_ipv4, true));
  network.ipv6 =
      spec.ipv6.value_or(drivers::bool_option(network.options, drivers::option_enable_ipv6, false));
  network.internal = spec.internal;
  if (const drivers::Driver* driver = drivers.find(network.driver);
      driver && driver->traits().on_parent &&
      drivers::text_option(network.options, drivers::option_parent, "").empty())
    network.internal = true;  // its parent leads nowhere
  record.created_nano = now_nano();
  record.attachable = spec.attachable;
  record.config_only = spec.config_only;
  record.config_from = spec.config_from;
  record.ipam_driver = spec.ipam_driver.empty() ? "default" : spec.ipam_driver;
  record.ipam_options = spec.ipam_options;
  record.labels = spec.labels;
  network.leased = spec.ipam_driver == "dhcp" && !spec.config_only;
  return record;
}

std::vector<ipam::Prefix> Controller::State::reserved_prefixes() const {
  std::vector<ipam::Prefix> reserved = kernel.on_link_routes();
  for (const ipam::Address& server : name_defaults().host_servers)
    reserved.push_back({server, server.bits()});
  return reserved;
}

std::string Controller::State::owner_of(const ipam::Prefix& subnet) const {
  for (const NetworkRecord* record : records.networks())
    for (const drivers::Pool& pool : record->network.pools)
      if (pool.subnet == subnet) return record->network.name;
  return "another";
}

void Controller::State::remember_host_settings(const sandbox::Plan& plan) {
  for (const sandbox::Step& step : plan) {
    const auto* setting = std::get_if<sandbox::SetHostSysctl>(&step);
    if (!setting) continue;
    const std::string key = "sysctl/" + setting->key;
    const auto value = kernel.read_sysctl("", setting->key);
    if (!value || *value == setting->value || store.get(key)) continue;
    store.txn({}, {{key, *value}}, Durability::power);
  }
}

void Controller::State::check_network(const NetworkRecord& record) const {
  const drivers::Driver& driver = driver_of(record);
  check_single_instance(*this, driver);
  driver.check_options(record.network);
}

std::vector<std::string> Controller::State::open_pools(
    const NetworkSpec& spec, NetworkRecord& record,
    const std::function<bool(ipam::Family)>& wants_gateway) {
  if (record.network.leased) check_leased(driver_of(record), spec, record.network);
  if (!driver_of(record).traits().allocates || record.ipam_driver == "null" ||
      record.network.leased)
    return {};
  const auto reserved = reserved_prefixes();
  record.network.pools =
      addresses.open({.network_id = record.network.id,
                      .ipv4 = record.network.ipv4,
                      .ipv6 = record.network.ipv6,
                      .pools = spec.pools,
                      .reserved = reserved,
                      .wants_gateway = wants_gateway,
                      .name_of = [this](const ipam::Prefix& subnet) { return owner_of(subnet); }});
  // On a LAN, the host being there too is the point.
  if (ignores_ports(record)) return {};
  return route_warnings(spec, reserved);
}

std::vector<std::string> Controller::State::finish_network(NetworkRecord& record) {
  // Their way is RemoteVerbs::create_overlay.
  if (record.network.driver == overlay_driver)
    throw drivers::Refused(
        "overlay networks are the cluster's: make one with netctl network create -d overlay NAME; "
        "an "
        "engine's network stands for it with -o io.netd.network=NAME and --ipam-opt "
        "io.netd.network=NAME");
  const drivers::Driver& driver = driver_of(record);
  std::vector<std::string> warnings = driver.check_network(record.network);
  choose_link(*this, driver, record.network, warnings);
  record.progress.plan = driver.network_plan(record.network);
  remember_host_settings(record.progress.plan);
  Work work(store, kernel, records);
  work.make(record);
  work.commit(Durability::power);
  names.open_network(record.network);
  try {
    open_gateway_dns(record);
  } catch (...) {
    remove_network(*records.network(record.network.id));
    throw;
  }
  return warnings;
}

void Controller::State::open_gateway_dns(const NetworkRecord& record) {
  const auto address = driver_of(record).dns_address(record.network);
  if (!address) return;
  try {
    dns.open_gateway(record.network.id, *address, record.network.link_name,
                     names.view_of_network(record.network, name_defaults()));
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::address_in_use) throw;
    throw Error(ErrorKind::conflict,
                fmt::format("{}: {}; another DNS server on this host has the port: let it listen "
                            "at its own addresses only, or leave the option out",
                            drivers::option_gateway_dns, error.what()));
  }
}

std::vector<std::string> Controller::State::make_network(const NetworkSpec& spec,
                                                         NetworkRecord& record) {
  check_network(record);
  Undo undo;
  undo.add([&] { addresses.close(record.network.id); });
  std::vector<std::string> warnings = open_pools(spec, record, [&](ipam::Family family) {
    return driver_of(record).wants_gateway(record.network, family);
  });
  std::ranges::move(finish_network(record), std::back_inserter(warnings));
  undo.dismiss();
  return warnings;
}

NetworkRecord Controller::State::begin_network(NetworkSpec& spec) {
  begin_again();
  check_network_name(spec.name);
  check_scope(spec);
  if (spec.config_only) check_config_only(spec);
  spec = merge_config(*this, std::move(spec));
  return describe_network(spec, make_id());
}

CreatedNetwork Controller::create_network(const NetworkSpec& given) {
  NetworkSpec spec = given;
  NetworkRecord record = state_->begin_network(spec);
  const bool own_ipam = is_own_ipam(record.ipam_driver);
  for (const std::string& plugin :
       {state_->drivers.find(record.network.driver) ? "" : record.network.driver,
        own_ipam ? "" : record.ipam_driver})
    if (!plugin.empty())
      throw Error(
          ErrorKind::not_found,
          fmt::format("could not find plugin {} in v1 plugin registry: plugin not found", plugin));
  std::vector<std::string> warnings;
  if (spec.config_only) {
    for (const PoolRequest& pool : spec.pools)
      if (pool.subnet)
        record.network.pools.push_back({*pool.subnet, pool.gateway, pool.range, pool.auxiliary});
    Work work(state_->store, state_->kernel, state_->records);
    work.make(record);
    work.commit(Durability::power);
  } else {
    warnings = state_->make_network(spec, record);
  }
  state_->publish_event("create", record);
  return {record.network.id, std::move(warnings)};
}

void Controller::State::remove_network(const NetworkRecord& network) {
  const NetworkRecord record = network;  // outlives its place in `records`
  Work work(store, kernel, records);
  work.remove(record);
  if (auto heir = heir_of(*this, record)) work.change(std::move(*heir));
  const auto failures = work.commit(Durability::power);
  throw_failures("network " + record.network.name, failures);
  dns.close(record.network.id);
  names.close_network(record.network.id);
  claims.drop_network(record.network.id);
  addresses.close(record.network.id);
  publish_event("destroy", record);
}

void Controller::State::check_removable(const NetworkRecord& record) const {
  if (record.predefined)
    throw drivers::Refused(
        fmt::format("{} is a pre-defined network and cannot be removed", record.network.name));
  if (record.progress.state == netd::State::joining) check_idle(record);
  const auto endpoints = records.endpoints_of_network(record.network.id);
  if (!endpoints.empty()) {
    std::vector<std::string> users;
    for (const EndpointRecord* endpoint : endpoints)
      users.push_back(fmt::format("name:\"{}\" id:\"{}\"", owner_of(*endpoint),
                                  endpoint->endpoint.id.substr(0, 12)));
    throw drivers::Refused(
        fmt::format("error while removing network: network {} has active endpoints ({})",
                    record.network.name, fmt::join(users, ", ")));
  }
  for (const NetworkRecord* other : records.networks())
    if (record.config_only && other->config_from == record.network.name)
      throw drivers::Refused(
          fmt::format("configuration network \"{}\" is in use", record.network.name));
}

void Controller::remove_network(std::string_view reference) {
  const NetworkRecord& record = state_->network(reference, Purpose::remove);
  state_->check_removable(record);
  state_->remove_network(record);
}

std::vector<std::string> Controller::prune_networks(
    const std::function<bool(const NetworkRecord&)>& wanted) {
  std::vector<std::string> removed;
  for (const NetworkRecord* record : networks()) {
    // An engine's network is the engine's to remove: it may have stopped containers on it.
    if (record->predefined || record->engine || !endpoints_of(record->network.id).empty() ||
        !wanted(*record))
      continue;
    const std::string name = record->network.name;
    try {
      remove_network(record->network.id);
      removed.push_back(name);
    } catch (const drivers::Refused&) {
      // A configuration network in use: as with endpoints, not unused.
    } catch (const std::exception& error) {
      log::warn("network not pruned, going on", {{"network", name}, {"error", error.what()}});
    }
  }
  state_->events.publish(
      {.type = "network", .action = "prune", .id = "", .attributes = {{"reclaimed", "0"}}});
  return removed;
}

}  // namespace netd
