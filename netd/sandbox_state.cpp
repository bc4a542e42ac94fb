// A sandbox as a whole: what follows for it from all its endpoints together.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "dns/listeners.h"
#include "netd/controller_state.h"
#include "netd/log.h"

namespace netd {
namespace {

using ipam::Family;

/// The link that a default route through this endpoint takes.
std::optional<drivers::DefaultRoute> route_through(const drivers::Driver& driver,
                                                   const NetworkRecord& network,
                                                   const EndpointRecord* endpoint, Family family) {
  if (!endpoint) return std::nullopt;
  return driver.default_route(network.network, endpoint->endpoint, family);
}

/// IPv4 ports go through the IPv4 gateway's endpoint. So do IPv6 ones when no endpoint gives an
/// IPv6 gateway: the relay leads them to the IPv4 address.
std::vector<drivers::Port> ports_through(const std::vector<drivers::Port>& ports, bool is_gateway4,
                                         bool is_gateway6, bool has_gateway6) {
  std::vector<drivers::Port> own;
  std::ranges::copy_if(ports, std::back_inserter(own), [&](const drivers::Port& port) {
    return port.host_address.is_v4() ? is_gateway4 : (has_gateway6 ? is_gateway6 : is_gateway4);
  });
  return own;
}

}  // namespace

std::vector<const EndpointRecord*> Controller::State::by_priority(
    const std::vector<const EndpointRecord*>& endpoints) const {
  std::vector<const EndpointRecord*> sorted;
  std::ranges::copy_if(endpoints, std::back_inserter(sorted), [](const EndpointRecord* record) {
    return record->progress.state != netd::State::leaving;
  });
  const auto rank = [&](const EndpointRecord* record) {
    const NetworkRecord& of = *records.network(record->network_id);
    const drivers::Driver& driver = driver_of(of);
    const auto& endpoint = record->endpoint;
    const int families = driver.default_route(of.network, endpoint, Family::v4).has_value() +
                         driver.default_route(of.network, endpoint, Family::v6).has_value();
    return std::tuple(-record->spec.gateway_priority, of.network.internal, -families,
                      of.network.name);
  };
  std::ranges::sort(sorted, {}, rank);
  return sorted;
}

const EndpointRecord* Controller::State::gateway_of(
    const std::vector<const EndpointRecord*>& endpoints, Family family) const {
  for (const EndpointRecord* record : endpoints) {
    const auto& own = family == Family::v4 ? record->endpoint.ipv4 : record->endpoint.ipv6;
    const NetworkRecord& of = *records.network(record->network_id);
    if (own && driver_of(of).default_route(of.network, record->endpoint, family)) return record;
  }
  return nullptr;
}

Controller::State::Gateways Controller::State::gateways_of(
    const std::vector<const EndpointRecord*>& endpoints) const {
  const auto sorted = by_priority(endpoints);
  return {gateway_of(sorted, Family::v4), gateway_of(sorted, Family::v6)};
}

Controller::State::Gateways Controller::State::gateways_of(
    const std::vector<EndpointRecord>& endpoints) const {
  std::vector<const EndpointRecord*> all;
  for (const EndpointRecord& record : endpoints)
    all.push_back(&record);
  return gateways_of(all);
}

void Controller::State::spread_ports(const std::vector<drivers::Port>& published,
                                     std::vector<EndpointRecord>& endpoints) const {
  const auto [gateway4, gateway6] = gateways_of(endpoints);
  for (EndpointRecord& record : endpoints)
    record.endpoint.ports =
        ports_through(published, &record == gateway4, &record == gateway6, gateway6 != nullptr);
}

void Controller::State::replan(SandboxRecord& sandbox,
                               std::vector<EndpointRecord>& endpoints) const {
  const auto [gateway4, gateway6] = gateways_of(endpoints);

  drivers::SandboxNeeds needs{.sandbox = sandbox.sandbox,
                              .source = sandbox.netns_source,
                              .owns_stack = sandbox.owns_stack,
                              .ipv6 = host_ipv6,
                              .dns_port = sandbox.dns_port};
  if (gateway4) {
    const NetworkRecord& of = *records.network(gateway4->network_id);
    needs.route4 = route_through(driver_of(of), of, gateway4, Family::v4);
  }
  if (gateway6) {
    const NetworkRecord& of = *records.network(gateway6->network_id);
    needs.route6 = route_through(driver_of(of), of, gateway6, Family::v6);
  }
  sandbox.progress.plan = drivers::sandbox_plan(needs);

  spread_ports(sandbox.ports, endpoints);
  for (EndpointRecord& record : endpoints) {
    const NetworkRecord& of = *records.network(record.network_id);
    record.progress.plan =
        driver_of(of).endpoint_plan(of.network, record.endpoint, sandbox.sandbox);
  }
}

const EndpointRecord* Controller::State::ignorer_of_ports(
    const std::vector<const EndpointRecord*>& endpoints) const {
  const auto ignores = [&](const EndpointRecord* record) {
    const NetworkRecord& of = *records.network(record->network_id);
    return driver_of(of).traits().has_links && ignores_ports(of);
  };
  const auto sorted = by_priority(endpoints);
  const auto [gateway4, gateway6] = gateways_of(sorted);
  if (const EndpointRecord* gateway = gateway4 ? gateway4 : gateway6)
    return ignores(gateway) ? gateway : nullptr;
  const auto found = std::ranges::find_if(sorted, ignores);
  return found == sorted.end() ? nullptr : *found;
}

std::string Controller::State::ignored_ports_text(const EndpointRecord& ignorer) const {
  const drivers::Network& of = records.network(ignorer.network_id)->network;
  const auto& address = ignorer.endpoint.ipv4 ? ignorer.endpoint.ipv4 : ignorer.endpoint.ipv6;
  return fmt::format(
      "published ports are ignored: on network {} ({}) containers are reached at their own "
      "addresses{}",
      of.name, of.driver, address ? ", this one at " + address->address.to_string() : "");
}

void Controller::State::log_ignored_ports(const SandboxRecord& sandbox) const {
  if (sandbox.spec.ports.empty()) return;
  if (const auto* ignorer = ignorer_of_ports(records.endpoints_of_sandbox(sandbox.sandbox.id)))
    log::warn(ignored_ports_text(*ignorer), {{"sandbox", sandbox.spec.name}});
}

std::string Controller::ignored_ports(std::string_view sandbox, std::string_view network) const {
  const SandboxRecord* record = state_->records.find_sandbox(sandbox).record;
  if (!record || record->spec.ports.empty()) return {};
  const EndpointRecord* ignorer =
      state_->ignorer_of_ports(state_->records.endpoints_of_sandbox(record->sandbox.id));
  if (!ignorer) return {};
  const NetworkRecord* wanted = state_->records.find_network(network).record;
  const bool is_reason = network.empty() || (wanted && wanted->network.id == ignorer->network_id);
  return is_reason ? state_->ignored_ports_text(*ignorer) : "";
}

dns::View Controller::State::names_seen_by(const SandboxRecord& sandbox) const {
  const auto sorted = by_priority(records.endpoints_of_sandbox(sandbox.sandbox.id));
  const ViewInput input{.sandbox = &sandbox,
                        .endpoints = sorted,
                        .reaches_outside = gateways_of(sorted).any(),
                        .leased_servers = leased_names(sandbox.sandbox.id).servers};
  return names.view(input, name_defaults());
}

void Controller::State::refresh_sandbox(const SandboxRecord& sandbox) {
  const auto sorted = by_priority(records.endpoints_of_sandbox(sandbox.sandbox.id));
  if (sandbox.dns_port != 0) dns.update(sandbox.sandbox.id, names_seen_by(sandbox));
  try {
    write_files(sandbox);
  } catch (const std::exception& error) {
    // The networks are as asked for; the next change writes the files again.
    log::warn("files of a sandbox not written",
              {{"sandbox", sandbox.spec.name}, {"error", error.what()}});
  }
  const auto address = [&](Family family) -> std::optional<ipam::Address> {
    const EndpointRecord* gateway = gateway_of(sorted, family);
    if (!gateway) return std::nullopt;
    return (family == Family::v4 ? gateway->endpoint.ipv4 : gateway->endpoint.ipv6)->address;
  };
  try {
    ports.serve(sandbox.sandbox.id, address(Family::v4), address(Family::v6));
  } catch (const std::exception& error) {
    log::warn("published ports of a sandbox not served at localhost",
              {{"sandbox", sandbox.spec.name}, {"error", error.what()}});
  }
}

}  // namespace netd
