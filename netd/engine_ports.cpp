// The published ports of an engine's containers.
#include <fmt/format.h>

#include <algorithm>

#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/log.h"

namespace netd {

EngineDriver::SharedPorts EngineDriver::ports_shared_with(const EndpointRecord& record) const {
  const std::string& key = record.engine->sandbox_key;
  if (key == unknown_sandbox) return {.holder = record.endpoint.id, .others = {}};
  SharedPorts shared{.holder = key, .others = {}};
  for (const EndpointRecord* other : state_.records.endpoints_of_sandbox(key))
    if (other->engine && other->engine->external && other->endpoint.id != record.endpoint.id)
      shared.others.push_back(*other);
  return shared;
}

void EngineDriver::carry_ports(const std::vector<drivers::Port>& ports,
                               std::vector<EndpointRecord> endpoints) {
  state_.spread_ports(ports, endpoints);
  std::erase_if(endpoints, [&](const EndpointRecord& record) {
    const EndpointRecord& before = *state_.records.endpoint(record.endpoint.id);
    return record.endpoint.ports == before.endpoint.ports &&
           record.engine->external == before.engine->external;
  });
  change(std::move(endpoints));
}

void EngineDriver::log_ignored_ports(const EndpointRecord& record) const {
  if (!record.engine->ports.empty() && state_.ignores_ports(network(record.network_id)))
    log::warn(state_.ignored_ports_text(record), {{"endpoint", log::short_id(record.endpoint.id)}});
}

void EngineDriver::publish_ports(EndpointRecord record) {
  record.engine->external = true;
  const std::string id = record.endpoint.id;
  const std::vector<drivers::PortBinding> bindings = record.engine->ports;
  auto [holder, endpoints] = ports_shared_with(record);
  endpoints.push_back(std::move(record));
  const std::vector<drivers::Port> kept = state_.ports.held_by(holder);
  std::vector<PublishedPorts::Held> held;
  std::vector<drivers::Port> ports;
  if (kept.empty())
    held = state_.reserve_ports(bindings, endpoints, ports);
  else
    ports = state_.ports_by_mode(kept, bindings, endpoints);
  carry_ports(ports, std::move(endpoints));
  state_.ports.keep(holder, std::move(held));
  serve_ports(*state_.records.endpoint(id));
}

void EngineDriver::leave_ports(SharedPorts shared) {
  if (shared.others.empty()) return state_.ports.release(shared.holder);
  const EndpointRecord other = shared.others.front();
  carry_ports(
      state_.ports_by_mode(state_.ports.held_by(shared.holder), other.engine->ports, shared.others),
      shared.others);
  serve_ports(other);
}

void EngineDriver::serve_ports(const EndpointRecord& record) {
  const SharedPorts shared = ports_shared_with(record);
  std::vector<const EndpointRecord*> endpoints{&record};
  for (const EndpointRecord& other : shared.others)
    endpoints.push_back(&other);
  const auto [gateway4, gateway6] = state_.gateways_of(endpoints);
  state_.ports.serve(shared.holder,
                     gateway4 ? std::optional(gateway4->endpoint.ipv4->address) : std::nullopt,
                     gateway6 ? std::optional(gateway6->endpoint.ipv6->address) : std::nullopt);
}

void EngineDriver::program(const std::string& network_id, const std::string& id,
                           const std::optional<std::vector<drivers::PortBinding>>& ports) {
  EndpointRecord record = endpoint(network_id, id);
  if (record.engine->external) return;
  if (record.engine->sandbox_key.empty())
    throw Error(ErrorKind::conflict, fmt::format("endpoint {} has not joined a sandbox", id));
  if (ports) record.engine->ports = *ports;
  log_ignored_ports(record);
  publish_ports(std::move(record));
}

void EngineDriver::revoke(const std::string& network_id, const std::string& id) {
  const EndpointRecord* found = state_.records.endpoint(id);
  if (!found || !found->engine || !found->engine->external || found->network_id != here(network_id))
    return;
  EndpointRecord record = *found;
  record.engine->external = false;
  record.endpoint.ports.clear();
  change({record});
  leave_ports(ports_shared_with(record));
}

}  // namespace netd
