// The verbs on sandboxes.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "dns/listeners.h"
#include "netd/controller_state.h"
#include "sandbox/owner_watch.h"

namespace netd {
namespace {

bool is_name(const std::string& name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0; };
  return !name.empty() && name.size() <= 255 && plain(static_cast<unsigned char>(name[0])) &&
         std::ranges::all_of(
             name, [&](unsigned char c) { return plain(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_id(const std::string& id) {
  return id.size() == 64 && std::ranges::all_of(id, [](unsigned char c) {
           return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f');
         });
}

void check_identity(const Controller::State& state, const SandboxSpec& spec) {
  if (!is_name(spec.name))
    throw std::invalid_argument(fmt::format(
        "invalid sandbox name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", spec.name));
  if (!spec.id.empty() && !is_id(spec.id))
    throw std::invalid_argument(
        fmt::format("invalid sandbox id ({}): 64 lower-case hex digits are expected", spec.id));
  for (const SandboxRecord* other : state.records.sandboxes()) {
    if (other->spec.name == spec.name)
      throw Error(
          ErrorKind::conflict,
          fmt::format("sandbox name {} is already in use by {}; remove it (netctl sandbox rm "
                      "{}) or take another name",
                      spec.name, other->sandbox.id.substr(0, 12), spec.name));
    if (other->sandbox.id == spec.id)
      throw Error(ErrorKind::conflict, fmt::format("sandbox id {} is already in use", spec.id));
  }
}

void check_sharing(const SandboxSpec& spec) {
  if (!spec.netns_path.empty() && (spec.pid || !spec.shared_with.empty()))
    throw std::invalid_argument(
        "NetnsPath excludes Pid and SharedWith: a sandbox has one network namespace");
  if (spec.pid && *spec.pid <= 0)
    throw std::invalid_argument(fmt::format("Pid {} is no process id", *spec.pid));
  if (spec.shared_with.empty()) return;
  if (!spec.networks.empty() || !spec.ports.empty() || !spec.dns.empty() ||
      !spec.dns_search.empty() || !spec.dns_options.empty() || !spec.extra_hosts.empty())
    throw std::invalid_argument(
        "conflicting options: a sandbox that shares another's network namespace has the other's "
        "networks, ports, DNS and hosts");
}

void check_open_for_ports(const SandboxRecord& sandbox) {
  Controller::State::check_not_leaving(sandbox);
  if (!sandbox.owns_stack)
    throw std::invalid_argument(fmt::format(
        "sandbox {} has no network stack of its own: publish where its namespace comes from",
        sandbox.spec.name));
}

/// Where nothing is said of the host's address or port, all are meant. 0.0.0.0 and [::] belong
/// together: a binding without an address is at both.
bool is_of(const drivers::Port& port, const drivers::PortBinding& binding) {
  const auto& host = binding.host_address;
  return binding.container_port == port.container_port && binding.protocol == port.protocol &&
         (!host || *host == port.host_address || (host->is_any() && port.host_address.is_any())) &&
         (binding.host_port_first == 0 ||
          (binding.host_port_first <= port.host_port && port.host_port <= binding.host_port_last));
}

bool is_among(const drivers::Port& port, const std::vector<drivers::PortBinding>& bindings) {
  return std::ranges::any_of(bindings, [&](const auto& binding) { return is_of(port, binding); });
}

/// Whether it has some of the ports.
bool has_any(const drivers::PortBinding& binding, const std::vector<drivers::Port>& ports) {
  return std::ranges::any_of(ports, [&](const auto& port) { return is_of(port, binding); });
}

/// As if it were published where it asks for.
drivers::Port port_of(const drivers::PortBinding& binding) {
  return {.protocol = binding.protocol,
          .container_port = binding.container_port,
          .host_address = binding.host_address.value_or(ipam::Address::any(ipam::Family::v4)),
          .host_port = binding.host_port_first};
}

/// Asks for one host port, and has asked already: saying it again asks for no other.
bool is_said_again(const drivers::PortBinding& binding, const SandboxSpec& spec) {
  return binding.host_port_first != 0 && binding.host_port_first == binding.host_port_last &&
         std::ranges::find(spec.ports, binding) != spec.ports.end();
}

/// Without what the sandbox holds: who lost the answer says it again.
std::vector<drivers::PortBinding> new_ports(const SandboxRecord& sandbox,
                                            const std::vector<drivers::Port>& held,
                                            std::vector<drivers::PortBinding> wanted) {
  std::erase_if(wanted, [&](const drivers::PortBinding& binding) {
    const bool is_held =
        binding.host_address && std::ranges::find(held, port_of(binding)) != held.end();
    return is_held || (is_said_again(binding, sandbox.spec) && has_any(binding, held));
  });
  return wanted;
}

void add_ports(SandboxRecord& sandbox, const std::vector<drivers::PortBinding>& add,
               const std::vector<drivers::Port>& added) {
  for (const drivers::Port& port : added)
    if (std::ranges::find(sandbox.ports, port) == sandbox.ports.end())
      sandbox.ports.push_back(port);
  for (const drivers::PortBinding& binding : add)
    if (!is_said_again(binding, sandbox.spec)) sandbox.spec.ports.push_back(binding);
}

/// What is left of those it holds.
std::vector<drivers::Port> take_back_ports(SandboxRecord& sandbox,
                                           const std::vector<drivers::Port>& held,
                                           const std::vector<drivers::PortBinding>& remove) {
  for (const drivers::PortBinding& one : remove)
    if (std::ranges::none_of(sandbox.spec.ports, [&](const drivers::PortBinding& binding) {
          return binding.container_port == one.container_port && binding.protocol == one.protocol;
        }))
      throw Error(ErrorKind::not_found,
                  fmt::format("sandbox {} does not publish {}/{}", sandbox.spec.name,
                              one.container_port, sandbox::to_text(one.protocol)));
  const auto goes = [&](const drivers::Port& port) { return is_among(port, remove); };
  std::vector<drivers::Port> kept = held;
  std::erase_if(kept, goes);
  std::erase_if(sandbox.ports, goes);
  // The network, or netd, may have chosen the host's address or port: a binding goes with the last
  // that it got.
  std::erase_if(sandbox.spec.ports, [&](const drivers::PortBinding& binding) {
    return has_any(binding, held) ? !has_any(binding, kept) : goes(port_of(binding));
  });
  return kept;
}

/// Where the namespace comes from: empty = a new one.
std::string source_of(const Controller::State& state, const SandboxSpec& spec, bool on_host) {
  if (!spec.shared_with.empty()) return state.sandbox(spec.shared_with).sandbox.netns;
  if (!spec.netns_path.empty()) return spec.netns_path;
  if (spec.pid) return fmt::format("/proc/{}/ns/net", *spec.pid);
  return on_host ? "/proc/self/ns/net" : "";
}

/// A namespace belongs to one sandbox, and the host's to none.
void check_namespace(const Controller::State& state, const SandboxSpec& spec,
                     const std::string& source) {
  if (!spec.shared_with.empty() || (spec.netns_path.empty() && !spec.pid)) return;
  if (state.kernel.is_namespace(source, ""))
    throw std::invalid_argument(fmt::format(
        "{} is the host's own network namespace: use the network host instead", source));
  for (const SandboxRecord* other : state.records.sandboxes())
    if (state.kernel.is_namespace(source, other->sandbox.netns))
      throw Error(
          ErrorKind::conflict,
          fmt::format("{} is the network namespace of sandbox {} already; to live in it too, "
                      "share it (--share {})",
                      source, other->spec.name, other->spec.name));
}

/// What sethostname(2) takes, and hosts(5) can hold.
void check_hostname(std::string_view what, const std::string& name) {
  constexpr std::size_t longest = 64;
  const bool plain = std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
  });
  if (!plain || name.size() > longest)
    throw std::invalid_argument(
        fmt::format("invalid {} '{}': at most 64 letters, digits, '-', '.' and '_'", what, name));
}

}  // namespace

void Controller::State::check_not_leaving(const SandboxRecord& sandbox) {
  if (sandbox.progress.state == netd::State::leaving)
    throw Error(ErrorKind::internal,
                fmt::format("Container {} is marked for removal and cannot be connected or "
                            "disconnected to the network",
                            sandbox.sandbox.id));
}

void Controller::State::check_modes(const SandboxRecord& sandbox,
                                    const std::vector<const NetworkRecord*>& to,
                                    bool connecting) const {
  std::vector<const NetworkRecord*> all = to;
  for (const EndpointRecord* record : records.endpoints_of_sandbox(sandbox.sandbox.id))
    all.push_back(records.network(record->network_id));
  const auto on = [&](const std::vector<const NetworkRecord*>& networks, std::string_view driver) {
    return std::ranges::any_of(
        networks, [&](const NetworkRecord* record) { return record->network.driver == driver; });
  };
  if (connecting && on(to, "host"))
    throw std::invalid_argument(
        "cannot connect container to host network - container must be created in host network "
        "mode");
  if ((!sandbox.spec.shared_with.empty() && !all.empty()) || (on(all, "host") && all.size() > 1))
    throw std::invalid_argument(
        "container sharing network namespace with another container or host cannot be connected to "
        "any other network");
  if (on(all, "null") && all.size() > 1)
    throw std::invalid_argument(
        "container cannot be connected to multiple networks with one of the networks in private "
        "(none) mode");
}

std::vector<Controller::State::Attachment> Controller::State::attachments_of(
    const SandboxSpec& spec) const {
  std::vector<Attachment> attachments;
  for (const SandboxSpec::Attachment& wanted : spec.networks) {
    const NetworkRecord& to = network(wanted.network, Purpose::use);
    for (const auto& [other, endpoint] : attachments)
      if (other == &to)
        throw std::invalid_argument(fmt::format("network {} is named twice", to.network.name));
    attachments.emplace_back(&to, wanted.endpoint);
  }
  return attachments;
}

const SandboxRecord& Controller::State::begin_sandbox(const SandboxSpec& spec,
                                                      const std::vector<Attachment>& attachments) {
  make_room_for(spec);
  check_identity(*this, spec);
  check_sharing(spec);
  check_hostname("hostname", spec.hostname);
  check_hostname("domain name", spec.domainname);
  std::vector<const NetworkRecord*> networks;
  bool on_host = false;
  for (const auto& [network, endpoint] : attachments) {
    networks.push_back(network);
    on_host = on_host || network->network.driver == "host";
  }
  SandboxRecord record{.spec = spec, .created_nano = now_nano()};
  record.sandbox.id = spec.id.empty() ? make_id() : spec.id;
  record.sandbox.netns = pin_path(record.sandbox.id);
  record.process = adopted_process(spec);  // before its namespace is opened: see below
  if (spec.pid && !record.process)
    throw std::invalid_argument(fmt::format("there is no process {}", *spec.pid));
  record.netns_source = source_of(*this, spec, on_host);
  check_namespace(*this, spec, record.netns_source);
  if (!spec.shared_with.empty()) record.spec.shared_with = sandbox(spec.shared_with).sandbox.id;
  if (record.spec.hostname.empty()) record.spec.hostname = spec.name.substr(0, 63);
  record.spec.id.clear();
  record.spec.networks.clear();
  check_modes(record, networks, false);
  check_files(record.spec);

  std::vector<EndpointRecord> none;
  record.owns_stack = record.spec.shared_with.empty() && !on_host;
  replan(record, none);
  Work work(store, kernel, records);
  work.make(record, attachments.empty());
  work.commit(Durability::process);
  const SandboxRecord& made = *records.sandbox(record.sandbox.id);
  try {
    // Its number may be another's by now, whose namespace this would be.
    if (record.process && !sandbox::is_alive(*record.process))
      throw Error(ErrorKind::conflict, fmt::format("process {} has ended", record.process->pid));
  } catch (...) {
    take_down(SandboxRecord(made));
    throw;
  }
  watch_owner(made);
  return made;
}

SandboxView Controller::create_sandbox(const SandboxSpec& spec) {
  State& state = *state_;
  state.begin_again();
  const auto attachments = state.attachments_of(spec);
  const SandboxRecord& made = state.begin_sandbox(spec, attachments);
  try {
    state.write_files(made);
    if (attachments.empty())
      state.refresh_sandbox(made);
    else
      state.attach(made, attachments);
  } catch (...) {
    state.take_down(SandboxRecord(made));
    throw;
  }
  state.publish_event("create", made);
  state.publish_event("start", made);
  return state.view_of(made);
}

/// Everything that netd itself holds in or for a sandbox's namespace.
void Controller::State::let_go(const SandboxRecord& sandbox) {
  dns.close(sandbox.sandbox.id);
  ports.release(sandbox.sandbox.id);
  if (owners) owners->forget(sandbox.sandbox.id);
  remove_files(sandbox);
}

std::vector<EndpointRecord> Controller::State::take_down(const SandboxRecord& record) {
  std::vector<EndpointRecord> endpoints;
  for (const EndpointRecord* endpoint : records.endpoints_of_sandbox(record.sandbox.id))
    endpoints.push_back(*endpoint);
  Work work(store, kernel, records);
  work.remove(record);
  for (const EndpointRecord& endpoint : endpoints) {
    names.withdraw(endpoint);
    work.remove(endpoint);
  }
  std::vector<std::string> failures;
  try {
    failures = work.commit(Durability::process);
  } catch (...) {
    for (const EndpointRecord& endpoint : endpoints)
      names.publish(endpoint);
    throw;
  }
  throw_failures("sandbox " + record.spec.name, failures);
  let_go(record);
  for (const EndpointRecord& endpoint : endpoints)
    release_endpoint(endpoint);
  return endpoints;
}

void Controller::State::check_removable(const SandboxRecord& record) const {
  for (const SandboxRecord* other : sharers_of(record.sandbox.id))
    throw Error(ErrorKind::conflict,
                fmt::format("sandbox {} lives in the namespace of {}: remove {} first",
                            other->spec.name, record.spec.name, other->spec.name));
}

void Controller::State::publish_removal(const SandboxRecord& record,
                                        const std::vector<EndpointRecord>& endpoints) {
  for (const EndpointRecord& endpoint : endpoints)
    publish_event("disconnect", *records.network(endpoint.network_id), record.sandbox.id);
  publish_event("die", record);
  publish_event("destroy", record);
}

void Controller::State::remove_sandbox(const SandboxRecord& sandbox) {
  const SandboxRecord record = sandbox;  // outlives its place in `records`
  check_idle(record);
  check_removable(record);
  publish_removal(record, take_down(record));
}

void Controller::remove_sandbox(std::string_view reference) {
  state_->remove_sandbox(state_->sandbox(reference));
}

SandboxView Controller::change_ports(std::string_view reference,
                                     const std::vector<drivers::PortBinding>& wanted,
                                     const std::vector<drivers::PortBinding>& remove) {
  State& state = *state_;
  SandboxRecord after = state.sandbox(reference);
  std::vector<EndpointRecord> endpoints;
  for (const EndpointRecord* record : state.records.endpoints_of_sandbox(after.sandbox.id))
    endpoints.push_back(*record);
  state.check_idle(after);
  check_open_for_ports(after);
  const std::vector<drivers::Port> kept =
      take_back_ports(after, state.ports.held_by(after.sandbox.id), remove);
  const std::vector<drivers::PortBinding> add = new_ports(after, kept, wanted);
  std::vector<drivers::Port> added;
  std::vector<PublishedPorts::Held> held = state.reserve_ports(add, endpoints, added);
  add_ports(after, add, added);
  state.replan(after, endpoints);
  Work work(state.store, state.kernel, state.records);
  state.put_changes(work, after, endpoints);
  const std::vector<sandbox::Element> before = state.published_elements(after.sandbox.id);
  work.commit(Durability::process);
  state.ports.release(after.sandbox.id, [&](const PublishedPorts::Held& one) {
    return std::ranges::any_of(PublishedPorts::ports_of(one),
                               [&](const drivers::Port& port) { return is_among(port, remove); });
  });
  state.ports.keep(after.sandbox.id, std::move(held));
  const SandboxRecord& now = *state.records.sandbox(after.sandbox.id);
  state.forget_changed_ports(before, state.published_elements(now.sandbox.id));
  if (!add.empty()) state.log_ignored_ports(now);
  state.refresh_sandbox(now);
  return state.view_of(now);
}

}  // namespace netd
