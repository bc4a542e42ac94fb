// The verbs on attachments: connect, disconnect, and joining several networks at once.
#include <fmt/format.h>

#include <algorithm>

#include "dns/listeners.h"
#include "drivers/options.h"
#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/log.h"
#include "netd/overlay_gateway.h"
#include "netd/overlays.h"

namespace netd {
namespace {

using ipam::Family;

bool has_names(const NetworkRecord& network) {
  return !network.predefined && network.network.driver != "null" && !is_gateway_bridge(network);
}

void check_configured(const NetworkRecord& network, const std::optional<ipam::Address>& address,
                      std::vector<std::string>& errors) {
  if (!address) return;
  if (network.network.leased) return;  // the server is asked for it
  if (network.predefined) {
    errors.emplace_back("user-specified IP address is supported on user-defined networks only");
    return;
  }
  const auto& pools = network.network.pools;
  if (std::ranges::none_of(pools, [&](const auto& pool) { return pool.subnet.contains(*address); }))
    errors.push_back("no configured subnet contains IP address " + address->to_string());
}

/// libnetwork.md 1.9: all that is wrong with an attachment, at once.
void check_spec(const NetworkRecord& network, const EndpointSpec& spec) {
  std::vector<std::string> errors;
  check_configured(network, spec.ipv4, errors);
  check_configured(network, spec.ipv6, errors);
  if (network.predefined && !spec.aliases.empty())
    errors.emplace_back("network-scoped aliases are only supported for user-defined networks");
  for (const ipam::Address& address : spec.link_local)
    if (!address.is_link_local())
      errors.push_back("invalid link local IP address: " + address.to_string());
  if (spec.mac && spec.mac->is_multicast())
    errors.push_back("invalid MAC address: " + spec.mac->to_string() + " is a multicast address");
  if (spec.mac && *spec.mac == ipam::Mac{})
    errors.push_back("invalid MAC address: " + spec.mac->to_string() + " is no interface's");
  if (!errors.empty())
    throw std::invalid_argument(
        fmt::format("invalid endpoint settings:\n{}", fmt::join(errors, "\n")));
}

void check_room(const Controller::State& state, const NetworkRecord& network,
                const SandboxRecord& sandbox) {
  if (state.records.endpoint(network.network.id, sandbox.sandbox.id))
    throw drivers::Refused(fmt::format("endpoint with name {} already exists in network {}",
                                       sandbox.spec.name, network.network.name));
  state.check_room(network);
}

/// Whose addresses an engine's IPAM gives out, that may give ours to somebody else.
void check_addresses(const NetworkRecord& network, const EndpointSpec& spec) {
  if (!network.engine || !network.engine->foreign_addresses || spec.ipv4 || spec.ipv6) return;
  throw std::invalid_argument(fmt::format(
      "the engine's own IPAM gives out the addresses of network {}: name one that it won't use "
      "(--ip), or make the network with --ipam-driver netd",
      network.network.name));
}

}  // namespace

void Controller::State::check_room(const NetworkRecord& network) const {
  if (network.config_only)
    throw drivers::Refused("cannot create endpoint on configuration-only network");
  check_idle(network);
  const std::string why = driver_of(network).full(
      network.network, records.endpoints_of_network(network.network.id).size());
  if (!why.empty())
    throw drivers::Refused(fmt::format("network {} is full: {}", network.network.name, why));
}

namespace {

/// The listener of the embedded DNS server, once a network with names is there.
void open_dns(Controller::State& state, SandboxRecord& sandbox,
              const std::vector<EndpointRecord>& endpoints, Undo& undo) {
  const bool wanted = std::ranges::any_of(endpoints, [&](const EndpointRecord& endpoint) {
    const NetworkRecord& network = *state.records.network(endpoint.network_id);
    return has_names(network) && network.network.driver != "host";
  });
  if (!wanted || sandbox.dns_port != 0) return;
  sandbox.dns_port = state.dns.open(sandbox.sandbox.id, sandbox.sandbox.netns, {});
  undo.add([&state, id = sandbox.sandbox.id] { state.dns.close(id); });
}

/// Whether `reference` means an engine's endpoint: its container's name or id, or the endpoint's
/// id; of ids at least the usual 12 digits.
bool is_named(const EndpointRecord& record, std::string_view reference) {
  constexpr std::size_t short_id = 12;
  const auto has_id = [&](const std::string& id) {
    return reference.size() >= short_id && id.starts_with(reference);
  };
  return record.engine->container_name == reference || has_id(record.engine->container_id) ||
         has_id(record.endpoint.id);
}

}  // namespace

std::vector<EndpointRecord> Controller::State::endpoints_staying(
    const std::string& sandbox_id) const {
  std::vector<EndpointRecord> all;
  for (const EndpointRecord* record : records.endpoints_of_sandbox(sandbox_id))
    if (record->progress.state != netd::State::leaving) all.push_back(*record);
  return all;
}

std::string Controller::State::choose_interface(const std::string& prefix,
                                                const SandboxRecord& sandbox,
                                                const EndpointSpec& spec,
                                                const std::vector<EndpointRecord>& others) {
  std::vector<std::string> taken;
  for (const EndpointRecord& other : others)
    taken.push_back(other.endpoint.sandbox_link);
  // A namespace that netd did not make may have interfaces that netd does not know.
  if (!sandbox.netns_source.empty())
    std::ranges::move(kernel.link_names(sandbox.sandbox.netns), std::back_inserter(taken));
  const auto is_taken = [&](const std::string& name) {
    return std::ranges::find(taken, name) != taken.end();
  };
  std::string asked = drivers::text_option(spec.options, drivers::option_endpoint_interface, "");
  if (!asked.empty()) {
    drivers::check_interface_name("interface name", asked);
    if (is_taken(asked))
      throw Error(ErrorKind::conflict,
                  fmt::format("interface name '{}' is already in use in sandbox {}", asked,
                              sandbox.spec.name));
    return asked;
  }
  for (int number = 0;; ++number)
    if (std::string name = prefix + std::to_string(number); !is_taken(name)) return name;
}

std::string Controller::State::choose_host_link(const drivers::Endpoint& endpoint) {
  const std::string asked =
      drivers::text_option(endpoint.options, drivers::option_host_interface, "");
  if (asked.empty()) return "nv" + endpoint.id.substr(0, 10);
  drivers::check_interface_name(drivers::option_host_interface, asked);
  if (kernel.find_link("", asked))
    throw Error(ErrorKind::conflict, fmt::format("{}: the host has an interface {} already",
                                                 drivers::option_host_interface, asked));
  return asked;
}

ipam::Mac Controller::State::choose_mac(const NetworkRecord& network,
                                        const std::optional<ipam::Mac>& wanted) {
  if (driver_of(network).traits().has_mac) return wanted.value_or(make_mac());
  if (wanted)
    throw std::invalid_argument(fmt::format(
        "{} interfaces do not support custom mac address assignment", network.network.driver));
  return {};
}

EndpointRecord Controller::State::prepare(const NetworkRecord& network,
                                          const SandboxRecord& sandbox, const EndpointSpec& spec,
                                          const std::vector<EndpointRecord>& others, Undo& undo) {
  netd::check_room(*this, network, sandbox);
  check_addresses(network, spec);
  check_spec(network, spec);
  const drivers::Driver& driver = driver_of(network);
  EndpointRecord record{.network_id = network.network.id,
                        .sandbox_id = sandbox.sandbox.id,
                        .spec = spec,
                        .order = next_order++};
  drivers::Endpoint& endpoint = record.endpoint;
  endpoint.id = make_id();
  endpoint.options = spec.options;
  if (has_names(network)) record.dns_names = dns_names(sandbox.spec, sandbox.sandbox.id, spec);
  if (!driver.traits().has_links) return record;

  endpoint.sandbox_link =
      choose_interface(driver.interface_prefix(network.network), sandbox, spec, others);
  endpoint.sandbox_index = make_link_index();
  if (!network.remote.driver && driver.traits().has_host_link) {
    endpoint.host_link = choose_host_link(endpoint);
    endpoint.host_index = make_link_index();
    endpoint.host_mac = make_mac();
  }
  // A plugin may choose where the user did not.
  if (spec.mac || !network.remote.driver || network.remote.requires_mac)
    endpoint.mac = choose_mac(network, spec.mac);
  for (const ipam::Address& address : spec.link_local)
    endpoint.link_local.push_back({address, address.is_v4() ? 16 : 64});
  driver.check_endpoint(network.network, endpoint);

  const auto allocate = [&](Family family, const std::optional<ipam::Address>& wanted) {
    const auto address = addresses.allocate(network, family, wanted);
    if (address)
      undo.add(
          [this, id = network.network.id, ip = address->address] { addresses.release(id, ip); });
    return address;
  };
  if (network.remote.ipam || network.network.leased || network.network.driver == overlay_driver)
    return record;
  endpoint.ipv4 = allocate(Family::v4, spec.ipv4);
  endpoint.ipv6 = allocate(Family::v6, spec.ipv6);
  if (const auto mac = driver.default_mac(endpoint); mac && !spec.mac) endpoint.mac = *mac;
  return record;
}

bool Controller::State::ignores_ports(const NetworkRecord& network) const {
  return !network.remote.driver && !driver_of(network).publishes(network.network);
}

std::vector<PublishedPorts::Held> Controller::State::reserve_ports(
    const std::vector<drivers::PortBinding>& bindings, const std::vector<EndpointRecord>& endpoints,
    std::vector<drivers::Port>& published) {
  const auto [gateway4, gateway6] = gateways_of(endpoints);
  if (bindings.empty() || (!gateway4 && !gateway6)) return {};
  const NetworkRecord& first = *records.network((gateway4 ? gateway4 : gateway6)->network_id);
  if (ignores_ports(first)) return {};
  const auto maps = [&](Family family) {
    const EndpointRecord* gateway = family == Family::v6 && gateway6 ? gateway6 : gateway4;
    const NetworkRecord& of = gateway ? *records.network(gateway->network_id) : first;
    return driver_of(of).maps_ports(of.network, gateway == gateway6 ? family : Family::v4);
  };
  auto default_host =
      drivers::address_option(first.network.options, drivers::option_host_binding_ipv4);
  if (!default_host) default_host = config.ip;
  std::vector<PublishedPorts::Held> held =
      ports.reserve(bindings, default_host, gateway6 != nullptr, maps);
  published = ports_by_mode(PublishedPorts::ports_of(held), bindings, endpoints);
  return held;
}

std::vector<PublishedPorts::Held> Controller::State::resolve_ports(
    SandboxRecord& sandbox, const std::vector<EndpointRecord>& endpoints) {
  const std::vector<drivers::Port> kept = ports.held_by(sandbox.sandbox.id);
  std::vector<drivers::Port> published;
  std::vector<PublishedPorts::Held> held =
      reserve_ports(kept.empty() ? sandbox.spec.ports : std::vector<drivers::PortBinding>{},
                    endpoints, published);
  if (!kept.empty()) published = ports_by_mode(kept, sandbox.spec.ports, endpoints);
  sandbox.ports = std::move(published);
  return held;
}

std::vector<drivers::Port> Controller::State::ports_by_mode(
    const std::vector<drivers::Port>& reserved, const std::vector<drivers::PortBinding>& bindings,
    const std::vector<EndpointRecord>& endpoints) const {
  const auto [gateway4, gateway6] = gateways_of(endpoints);
  std::vector<drivers::Port> published;
  for (const Family family : {Family::v4, Family::v6}) {
    const EndpointRecord* own = family == Family::v4 ? gateway4 : gateway6;
    const EndpointRecord* gateway = own ? own : gateway4;  // IPv6 without IPv6: by the relay
    if (!gateway) continue;
    const NetworkRecord& of = *records.network(gateway->network_id);
    if (ignores_ports(of)) continue;
    if (driver_of(of).maps_ports(of.network, own ? family : Family::v4)) {
      std::ranges::copy_if(reserved, std::back_inserter(published), [&](const drivers::Port& port) {
        return port.host_address.family() == family;
      });
    } else if (own) {
      // A routed family opens the container's port and takes none of the host's.
      for (const drivers::PortBinding& binding : bindings)
        published.push_back({.protocol = binding.protocol,
                             .container_port = binding.container_port,
                             .host_address = ipam::Address::any(family)});
    }
  }
  return published;
}

void Controller::State::put_changes(Work& work, const SandboxRecord& sandbox,
                                    const std::vector<EndpointRecord>& endpoints) const {
  const SandboxRecord* old = records.sandbox(sandbox.sandbox.id);
  if (old->progress.state != netd::State::joined || old->progress.plan != sandbox.progress.plan ||
      old->ports != sandbox.ports || old->dns_port != sandbox.dns_port ||
      old->spec.ports != sandbox.spec.ports)
    work.change(sandbox);
  for (const EndpointRecord& record : endpoints) {
    const EndpointRecord* before = records.endpoint(record.endpoint.id);
    if (!before || before->progress.state == netd::State::joining)
      work.make(record);
    else if (before->progress.plan != record.progress.plan ||
             before->endpoint.ports != record.endpoint.ports)
      work.change(record);
  }
}

void Controller::State::attach(const SandboxRecord& sandbox,
                               const std::vector<Attachment>& attachments) {
  check_not_leaving(sandbox);
  Undo undo;
  std::vector<EndpointRecord> endpoints = endpoints_staying(sandbox.sandbox.id);
  const std::size_t first_new = endpoints.size();
  for (const auto& [network, spec] : attachments)
    endpoints.push_back(prepare(*network, sandbox, spec, endpoints, undo));
  join(sandbox, std::move(endpoints), first_new);
  undo.dismiss();
}

void Controller::State::join(const SandboxRecord& sandbox, std::vector<EndpointRecord> endpoints,
                             std::size_t first_new) {
  Undo undo;
  SandboxRecord after = sandbox;
  open_dns(*this, after, endpoints, undo);
  std::vector<PublishedPorts::Held> held = resolve_ports(after, endpoints);
  replan(after, endpoints);
  const std::vector<sandbox::Element> published = published_elements(sandbox.sandbox.id);
  Work work(store, kernel, records);
  put_changes(work, after, endpoints);
  work.commit(Durability::process);
  undo.dismiss();

  ports.keep(after.sandbox.id, std::move(held));
  const SandboxRecord& now = *records.sandbox(after.sandbox.id);
  for (std::size_t i = first_new; i < endpoints.size(); ++i) {
    names.publish(endpoints[i]);
    announce(endpoints[i]);
    publish_event("connect", *records.network(endpoints[i].network_id), now.sandbox.id);
  }
  forget_changed_ports(published, published_elements(now.sandbox.id));
  log_ignored_ports(now);
  refresh_sandbox(now);
}

void Controller::State::announce(const EndpointRecord& record) {
  const NetworkRecord& of = *records.network(record.network_id);
  if (of.network.link_index == 0 || record.endpoint.mac == ipam::Mac{}) return;
  const auto number = [&](std::string_view key, int fallback, int low, int high) {
    const auto& own = record.endpoint.options;
    return drivers::int_option(own.contains(std::string(key)) ? own : of.network.options, key,
                               fallback, low, high);
  };
  const int count = number(drivers::option_advertise_count, 3, 0, 3);
  if (count == 0) return;
  std::vector<ipam::Address> addresses_of;
  for (const auto& address : {record.endpoint.ipv4, record.endpoint.ipv6})
    if (address) addresses_of.push_back(address->address);
  kernel.advertise(of.network.link_index, record.endpoint.mac, addresses_of, count,
                   number(drivers::option_advertise_interval, 1000, 100, 2000));
}

std::vector<sandbox::Element> Controller::State::published_elements(
    const std::string& sandbox_id) const {
  std::vector<sandbox::Element> published;
  for (const EndpointRecord* record : records.endpoints_of_sandbox(sandbox_id))
    std::ranges::move(elements_of(record->progress.plan), std::back_inserter(published));
  return published;
}

void Controller::State::forget_changed_ports(const std::vector<sandbox::Element>& before,
                                             const std::vector<sandbox::Element>& after) {
  std::vector<sandbox::Element> changed;
  const auto add_missing = [&](const auto& from, const auto& in) {
    for (const sandbox::Element& element : from)
      if (std::ranges::find(in, element) == in.end()) changed.push_back(element);
  };
  add_missing(before, after);
  add_missing(after, before);
  // A UDP flow to the host's port from before would go on to nowhere (moby#8795).
  if (!changed.empty()) kernel.forget_flows({}, changed);
}

std::vector<sandbox::Element> Controller::State::elements_of(const sandbox::Plan& plan) {
  std::vector<sandbox::Element> elements;
  for (const sandbox::Step& step : plan)
    if (const auto* add = std::get_if<sandbox::AddElements>(&step))
      elements.insert(elements.end(), add->elements.begin(), add->elements.end());
  return elements;
}

void Controller::State::release_endpoint(const EndpointRecord& record) {
  std::vector<ipam::Address> own;
  for (const auto& address : {record.endpoint.ipv4, record.endpoint.ipv6}) {
    if (!address) continue;
    own.push_back(address->address);
    addresses.release(record.network_id, address->address);
  }
  if (!own.empty()) kernel.forget_flows(own, elements_of(record.progress.plan));
  if (leases) leases->release(record.endpoint.id);  // none = fine
}

void Controller::State::detach(const SandboxRecord& sandbox, const EndpointRecord& endpoint) {
  const EndpointRecord gone = endpoint;
  SandboxRecord after = sandbox;
  std::vector<EndpointRecord> rest;
  for (const EndpointRecord* record : records.endpoints_of_sandbox(sandbox.sandbox.id))
    if (record->endpoint.id != gone.endpoint.id && record->progress.state != netd::State::leaving)
      rest.push_back(*record);
  const bool publishes = gateways_of(rest).any();
  std::vector<PublishedPorts::Held> held = resolve_ports(after, rest);
  replan(after, rest);
  const std::vector<sandbox::Element> published = published_elements(after.sandbox.id);
  Work work(store, kernel, records);
  work.remove(gone);
  put_changes(work, after, rest);
  names.withdraw(gone);
  std::vector<std::string> failures;
  try {
    failures = work.commit(Durability::process);
  } catch (...) {
    names.publish(gone);
    throw;
  }
  throw_failures("endpoint of " + after.spec.name, failures);
  if (!publishes) ports.release(after.sandbox.id);
  ports.keep(after.sandbox.id, std::move(held));
  release_endpoint(gone);
  forget_changed_ports(published, published_elements(after.sandbox.id));
  publish_event("disconnect", *records.network(gone.network_id), after.sandbox.id);
  log_ignored_ports(*records.sandbox(after.sandbox.id));
  refresh_sandbox(*records.sandbox(after.sandbox.id));
}

void Controller::connect(std::string_view network, std::string_view sandbox,
                         const EndpointSpec& spec) {
  const NetworkRecord& to = state_->network(network, Purpose::use);
  const SandboxRecord& from = state_->sandbox(sandbox);
  state_->check_idle(from);
  state_->check_modes(from, {&to}, true);
  state_->attach(from, {{&to, spec}});
}

void Controller::disconnect(std::string_view network, std::string_view sandbox, bool force) {
  const NetworkRecord& from = state_->network(network, Purpose::use);
  const auto match = state_->records.find_sandbox(sandbox);
  if (!match.record && force) {
    for (const EndpointRecord* endpoint : state_->records.endpoints_of_network(from.network.id))
      if (endpoint->engine && is_named(*endpoint, sandbox))
        return engine().delete_endpoint(from.network.id, endpoint->endpoint.id);
    throw Error(ErrorKind::not_found,
                fmt::format("no endpoint named {} on network {}: nothing to disconnect", sandbox,
                            from.network.name));
  }
  const SandboxRecord& record = state_->sandbox(sandbox);
  const EndpointRecord* endpoint = state_->records.endpoint(from.network.id, record.sandbox.id);
  if (!endpoint)
    throw Error(ErrorKind::internal, fmt::format("container {} is not connected to network {}",
                                                 record.sandbox.id, from.network.name));
  if (from.network.driver == "host")
    throw std::invalid_argument(
        "cannot disconnect container from host network - container was created in host network "
        "mode");
  state_->check_idle(record);
  state_->detach(record, *endpoint);
}

}  // namespace netd
