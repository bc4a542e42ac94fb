// The engine's verbs on endpoints.
#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/log.h"
#include "netd/overlays.h"

namespace netd {
namespace {

using ipam::Family;

/// Links in netd's namespace: the bridge's port, and the end that the engine takes.
void name_links(Controller::State& state, const drivers::Driver& driver,
                drivers::Endpoint& endpoint) {
  endpoint.sandbox_link = "np" + endpoint.id.substr(0, 10);
  endpoint.sandbox_index = state.make_link_index();
  if (!driver.traits().has_host_link) return;
  endpoint.host_link = state.choose_host_link(endpoint);
  endpoint.host_index = state.make_link_index();
  endpoint.host_mac = state.make_mac();
}

std::vector<ipam::Address> addresses_of(const drivers::Endpoint& endpoint) {
  std::vector<ipam::Address> addresses;
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address) addresses.push_back(address->address);
  return addresses;
}

}  // namespace

const EndpointRecord& EngineDriver::endpoint(const std::string& network_id,
                                             const std::string& id) const {
  const EndpointRecord* record = state_.records.endpoint(id);
  if (!record || !record->engine || record->network_id != here(network_id))
    throw Error(ErrorKind::not_found,
                fmt::format("endpoint {} is not known on network {}", id, network_id));
  return *record;
}

void EngineDriver::check_endpoint(const EngineEndpointSpec& spec,
                                  const NetworkRecord& network) const {
  if (!network.engine && !is_bound(spec.network_id))
    throw drivers::Refused(
        fmt::format("network {} is netd's own, not the engine's", network.network.name));
  state_.check_room(network);
  for (const auto& address : {spec.ipv4, spec.ipv6})
    if (address && std::ranges::none_of(network.network.pools, [&](const drivers::Pool& pool) {
          return pool.subnet.contains(address->address);
        }))
      throw std::invalid_argument("no configured subnet contains IP address " +
                                  address->address.to_string());
  if (spec.mac && spec.mac->is_multicast())
    throw std::invalid_argument("invalid MAC address: " + spec.mac->to_string() +
                                " is a multicast address");
}

void EngineDriver::take_addresses(const EngineEndpointSpec& spec, const NetworkRecord& network) {
  Undo undo;
  for (const auto& wanted : {spec.ipv4, spec.ipv6}) {
    if (!wanted) continue;
    const ipam::Address address = wanted->address;
    if (!state_.claims.own(network.network.id, address))
      throw drivers::Refused(fmt::format("Address already in use: {} on network {}",
                                         address.to_string(), network.network.name));
    undo.add([this, id = network.network.id, address, process = spec.process] {
      state_.claims.disown(id, address, process);
    });
  }
  undo.dismiss();
}

EndpointRecord EngineDriver::describe_endpoint(const EngineEndpointSpec& spec,
                                               const NetworkRecord& of) {
  check_endpoint(spec, of);
  EndpointRecord record{.network_id = of.network.id,
                        .engine = EngineEndpoint{.process = spec.process, .ports = spec.ports},
                        .order = state_.next_order++};
  record.endpoint.id = spec.id;
  record.endpoint.options = spec.options;
  record.endpoint.ipv4 = spec.ipv4;
  record.endpoint.ipv6 = spec.ipv6;
  record.endpoint.mac = state_.choose_mac(of, spec.mac);
  name_links(state_, state_.driver_of(of), record.endpoint);
  for (const std::string& warning :
       state_.driver_of(of).check_endpoint(of.network, record.endpoint))
    log::warn(warning, {{"endpoint", log::short_id(spec.id)}});
  return record;
}

const EndpointRecord& EngineDriver::create_endpoint(const EngineEndpointSpec& spec) {
  if (const EndpointRecord* before = state_.records.endpoint(spec.id);
      before && before->engine && before->network_id == spec.network_id)
    return *before;
  const NetworkRecord& of = network(spec.network_id);
  const EndpointRecord record = describe_endpoint(spec, of);
  take_addresses(spec, of);
  try {
    Work work(state_.store, state_.kernel, state_.records);
    work.make(record);
    work.commit(Durability::process);
  } catch (...) {
    for (const ipam::Address& address : addresses_of(record.endpoint))
      state_.claims.disown(spec.network_id, address, spec.process);
    throw;
  }
  return *state_.records.endpoint(spec.id);
}

sandbox::Plan EngineDriver::plan_of(const EndpointRecord& record) const {
  if (record.engine->sandbox_key.empty()) return {};
  const NetworkRecord& of = network(record.network_id);
  drivers::Sandbox engines{.id = record.engine->sandbox_key, .handed_over = true};
  sandbox::Plan plan;
  if (!record.engine->netns_source.empty()) {
    engines.netns = state_.pin_path(record.endpoint.id);
    plan.push_back(
        sandbox::PinNamespace{.path = engines.netns, .source = record.engine->netns_source});
  }
  std::ranges::move(state_.driver_of(of).endpoint_plan(of.network, record.endpoint, engines),
                    std::back_inserter(plan));
  return plan;
}

void EngineDriver::change(std::vector<EndpointRecord> records) {
  if (records.empty()) return;
  std::vector<sandbox::Element> before, after;
  const auto add_elements = [](std::vector<sandbox::Element>& to, const sandbox::Plan& plan) {
    std::ranges::move(Controller::State::elements_of(plan), std::back_inserter(to));
  };
  const std::string id = records.back().endpoint.id;
  Work work(state_.store, state_.kernel, state_.records);
  for (EndpointRecord& record : records) {
    const sandbox::Plan& made = state_.records.endpoint(record.endpoint.id)->progress.plan;
    // The link dies with the container, before the engine gets to say so: nothing is left to set.
    const std::string& host_link = record.endpoint.host_link;
    const bool is_dead =
        !made.empty() && !host_link.empty() && !state_.kernel.find_link("", host_link);
    record.progress.plan = is_dead ? sandbox::Plan{} : plan_of(record);
    add_elements(before, made);
    add_elements(after, record.progress.plan);
    work.change({std::move(record)});
  }
  throw_failures("endpoint " + log::short_id(id), work.commit(Durability::process));
  state_.forget_changed_ports(before, after);
}

void EngineDriver::settle_in(const EngineJoinSpec& spec, EndpointRecord& record) const {
  record.engine->sandbox_key = spec.sandbox_key.empty() ? unknown_sandbox : spec.sandbox_key;
  if (spec.ports) record.engine->ports = *spec.ports;
  if (!spec.process) return;
  const std::string its_own = fmt::format("/proc/{}/ns/net", spec.process->pid);
  if (state_.kernel.is_namespace(its_own, "")) return;
  record.engine->netns_source = its_own;
  record.endpoint.sandbox_index = 0;  // what is free there, that kernel knows
}

JoinedLink EngineDriver::join(const EngineJoinSpec& spec) {
  const NetworkRecord& of = network(spec.network_id);
  const EndpointRecord& found = endpoint(spec.network_id, spec.id);
  const drivers::Driver& driver = state_.driver_of(of);
  if (found.engine->sandbox_key.empty()) {
    // The engine may have made its firewall anew since.
    for (const sandbox::Step& step : of.progress.plan)
      if (std::holds_alternative<sandbox::AdmitForwarding>(step)) state_.kernel.apply(step);
    EndpointRecord record = found;
    if (!record.progress.plan.empty()) change({record});  // what an earlier join has left
    settle_in(spec, record);
    change({std::move(record)});
    const EndpointRecord& joined = endpoint(spec.network_id, spec.id);
    state_.announce(joined);
    state_.names.publish(joined);
    state_.publish_event("connect", of, joined.engine->container_id);
  }
  JoinedLink link{.name = found.endpoint.sandbox_link,
                  .prefix = driver.interface_prefix(of.network)};
  if (found.endpoint.ipv4) link.gateway4 = driver.gateway(of.network, found.endpoint, Family::v4);
  if (found.endpoint.ipv6) link.gateway6 = driver.gateway(of.network, found.endpoint, Family::v6);
  for (const Family family : {Family::v4, Family::v6})
    if (const auto route = driver.default_route(of.network, found.endpoint, family);
        route && !route->gateway)
      link.routes.push_back({{ipam::Address::any(family), 0}, std::nullopt});
  std::ranges::move(driver.routes(of.network, found.endpoint), std::back_inserter(link.routes));
  link.disable_gateway_service = !link.gateway4 && !of.network.internal;
  // The way out of the cluster, and published ports, are docker_gwbridge's.
  const bool is_overlay = of.network.tunnel.has_value();
  if (is_overlay) link.disable_gateway_service = of.network.internal;
  // The engine asks only gateways to publish ports.
  if (!link.gateway4 && !link.gateway6 && !is_overlay)
    log_ignored_ports(endpoint(spec.network_id, spec.id));
  return link;
}

void EngineDriver::leave(const std::string& network_id, const std::string& id) {
  const EndpointRecord* found = state_.records.endpoint(id);
  if (!found || !found->engine || found->engine->sandbox_key.empty() ||
      found->network_id != here(network_id))
    return;
  const SharedPorts shared = ports_shared_with(*found);
  EndpointRecord record = *found;
  record.engine->external = false;
  record.engine->sandbox_key.clear();
  record.engine->netns_source.clear();
  record.endpoint.ports.clear();
  state_.names.withdraw(record);
  const std::vector<sandbox::Element> elements =
      Controller::State::elements_of(record.progress.plan);
  // A link without an end here is in the container still: the engine gives it back when it has
  // been answered, and what is left of it goes with the endpoint.
  if (record.endpoint.host_link.empty()) {
    state_.write(record);
  } else {
    change({record});
  }
  leave_ports(shared);
  state_.kernel.forget_flows(addresses_of(record.endpoint), elements);
  state_.publish_event("disconnect", network(network_id), record.engine->container_id);
}

void EngineDriver::drop(const EndpointRecord& record) {
  leave(record.network_id, record.endpoint.id);
  const EndpointRecord gone = *state_.records.endpoint(record.endpoint.id);
  // The address is the engine's until it gives it back: on record before the endpoint is not.
  const bool is_bound = !gone.engine->network.empty();
  if (is_bound) keep_claim(gone);
  for (const ipam::Address& address : addresses_of(gone.endpoint))
    if (!is_bound) state_.claims.disown(gone.network_id, address, gone.engine->process);
  Work work(state_.store, state_.kernel, state_.records);
  work.remove(gone);
  throw_failures("endpoint " + log::short_id(gone.endpoint.id), work.commit(Durability::process));
  if (is_bound && state_.overlays) state_.overlays->bring_down_if_unused(gone.network_id);
}

void EngineDriver::delete_endpoint(const std::string& network_id, const std::string& id) {
  const EndpointRecord* found = state_.records.endpoint(id);
  if (!found || !found->engine || found->network_id != here(network_id)) return;
  if (found->progress.state == netd::State::joining)
    throw Error(ErrorKind::conflict, fmt::format("endpoint {} is being made", id));
  drop(*found);
}

void EngineDriver::learn(const std::string& endpoint_id, const ContainerNames& container) {
  const EndpointRecord* found = state_.records.endpoint(endpoint_id);
  if (!found || !found->engine) return;
  EndpointRecord record = *found;
  record.engine->container_id = container.id;
  record.engine->container_name = container.name;
  SandboxSpec named{.name = container.name, .hostname = container.hostname};
  record.dns_names = dns_names(named, container.id, {.aliases = container.aliases});
  if (record.dns_names == found->dns_names &&
      record.engine->container_id == found->engine->container_id)
    return;
  state_.store.txn({}, {{key_of(Record(record)), to_text(record)}}, Durability::process);
  const bool joined = !record.engine->sandbox_key.empty();
  if (joined) state_.names.withdraw(*found);
  state_.records.put(record);
  if (joined) state_.names.publish(record);
}

}  // namespace netd
