#include "netd/restore.h"

#include <fmt/format.h>

#include <algorithm>

#include "dns/listeners.h"
#include "netd/engine_driver.h"
#include "netd/overlays.h"
#include "netd/owed_calls.h"
#include "netd/parents.h"
#include "sandbox/transition.h"

namespace netd {
namespace {

constexpr const char* identity_key = "host/identity";

bool is_elements(const sandbox::Step& step) {
  return std::holds_alternative<sandbox::AddElements>(step);
}

bool contains(const sandbox::Plan& plan, const sandbox::Step& step) {
  return std::ranges::find(plan, step) != plan.end();
}

/// The sandbox a record belongs to; empty for a network.
std::string sandbox_of(const Record& record) {
  if (const auto* endpoint = std::get_if<EndpointRecord>(&record)) return endpoint->sandbox_id;
  if (const auto* sandbox = std::get_if<SandboxRecord>(&record)) return sandbox->sandbox.id;
  return "";
}

bool is_exists(const std::system_error& error) {
  return error.code() == std::errc::file_exists;
}

}  // namespace

void Restore::note(const std::string& object, const std::exception& error) {
  problems_.push_back(fmt::format("{}: {}", object, error.what()));
}

bool Restore::is_same_host() {
  const auto entry = state_.store.get(identity_key);
  return entry && entry->value == host_identity_;
}

void Restore::drop_records(const std::vector<Record>& records) {
  if (records.empty()) return;
  std::vector<Change> changes;
  for (const Record& record : records)
    changes.push_back({key_of(record), std::nullopt});
  state_.store.txn({}, changes, Durability::process);
}

/// Before the records go: a crash in between leaves both, and being told twice harms no plugin.
void Restore::owe_plugins(const std::vector<Record>& going, const std::vector<Record>& all) {
  std::map<std::string, const NetworkRecord*> networks;
  for (const Record& record : all)
    if (const auto* network = std::get_if<NetworkRecord>(&record))
      networks[network->network.id] = network;
  std::vector<Change> changes;
  for (const Record& record : going) {
    OwedCalls calls;
    if (const auto* network = std::get_if<NetworkRecord>(&record)) calls = owed_by(*network);
    if (const auto* endpoint = std::get_if<EndpointRecord>(&record))
      if (const auto of = networks.find(endpoint->network_id); of != networks.end())
        calls = owed_by(*endpoint, *of->second);
    if (!calls.empty()) changes.push_back(owed_change(id_of(record), calls));
  }
  if (!changes.empty()) state_.store.txn({}, changes, Durability::process);
}

/// Numbers that netd gives out begin above those of all records…
void Restore::count_up(const Record& record) {
  std::uint32_t used = 0;
  if (const auto* network = std::get_if<NetworkRecord>(&record)) {
    if (!network->network.adopted_link) used = network->network.link_index;
  } else if (const auto* endpoint = std::get_if<EndpointRecord>(&record)) {
    used = std::max(endpoint->endpoint.host_index, endpoint->endpoint.sandbox_index);
    state_.next_order = std::max(state_.next_order, endpoint->order + 1);
  }
  if (used >= state_.next_link_index) state_.next_link_index = used + 1;
}

/// … and of all links that are here: of a lost state directory, or of a netd around this one.
void Restore::count_up_links() {
  for (const std::string& name : state_.kernel.link_names(""))
    if (const auto link = state_.kernel.find_link("", name);
        link && link->index >= state_.next_link_index)
      state_.next_link_index = link->index + 1;
}

/// Undoes or finishes what a crash cut off. False: the record is to be dropped.
bool Restore::settle_one(Record& record) {
  Progress& progress = progress_of(record);
  sandbox::Plan next = std::exchange(progress.next, {});
  if (!next.empty() && disconnecting_.contains(sandbox_of(record))) std::swap(progress.plan, next);
  if (!next.empty() || progress.state != State::joined) settled_.push_back(key_of(record));
  if (progress.state != State::joined) {
    sandbox::Plan begun = progress.plan;
    std::ranges::copy_if(next, std::back_inserter(begun),
                         [&](const sandbox::Step& step) { return !contains(progress.plan, step); });
    const auto failures = sandbox::transition(state_.kernel, begun, {});
    for (const std::string& failure : failures)
      problems_.push_back(fmt::format("{}: {}", key_of(record), failure));
    progress.state = State::leaving;
    return !failures.empty();
  }
  if (next.empty()) return true;
  // Somewhere between two plans: to the one that holds, whatever of it is there already.
  for (auto step = next.rbegin(); step != next.rend(); ++step) {
    if (contains(progress.plan, *step)) continue;
    try {
      state_.kernel.revert(*step);
    } catch (const std::exception& error) {
      note(key_of(record), error);
    }
  }
  sandbox::Plan missing;
  std::ranges::copy_if(progress.plan, std::back_inserter(missing),
                       [&](const sandbox::Step& step) { return !contains(next, step); });
  remake(missing, key_of(record));
  return true;
}

/// Applies steps of which some may be there. Elements are not among them: the firewall is replaced
/// whole, from all records.
void Restore::remake(const sandbox::Plan& plan, const std::string& object) {
  for (const sandbox::Step& step : plan) {
    if (is_elements(step)) continue;
    try {
      state_.kernel.apply(step);
    } catch (const std::system_error& error) {
      if (!is_exists(error)) note(object, error);
    }
  }
}

void Restore::write_settled(const std::vector<Record>& records) {
  std::vector<Change> changes;
  for (const Record& record : records)
    if (std::ranges::find(settled_, key_of(record)) != settled_.end())
      changes.push_back({key_of(record), to_text(record)});
  if (!changes.empty()) state_.store.txn({}, changes, Durability::process);
}

/// Endpoints before their sandboxes: a namespace goes last.
void Restore::settle(std::vector<Record>& records) {
  for (Record& record : records)
    if (std::holds_alternative<EndpointRecord>(record) &&
        progress_of(record).state == State::leaving)
      disconnecting_.insert(sandbox_of(record));
  std::vector<Record> dropped;
  for (const std::size_t kind : {2, 1, 0}) {
    for (Record& record : records) {
      if (record.index() != kind) continue;
      if (settle_one(record)) continue;
      if (const auto* sandbox = std::get_if<SandboxRecord>(&record)) state_.remove_files(*sandbox);
      dropped.push_back(record);
    }
  }
  drop_records(dropped);
  std::erase_if(records, [&](const Record& record) {
    return std::ranges::any_of(dropped,
                               [&](const Record& gone) { return key_of(gone) == key_of(record); });
  });
  write_settled(records);
}

/// What a sandbox or endpoint of before the boot has left in the run directory, if anything has.
void Restore::remove_files(Record& record) {
  try {
    if (const auto* sandbox = std::get_if<SandboxRecord>(&record)) state_.remove_files(*sandbox);
    for (const sandbox::Step& step : progress_of(record).plan)
      if (std::holds_alternative<sandbox::PinNamespace>(step)) state_.kernel.revert(step);
  } catch (const std::exception& error) {
    note(key_of(record), error);
  }
}

void Restore::load(bool same_host) {
  std::vector<Record> records = load_records(state_.store);
  std::vector<Record> going;
  for (Record& record : records) {
    count_up(record);
    const bool dies = !same_host && std::holds_alternative<EndpointRecord>(record);
    if (dies || progress_of(record).state != State::joined) going.push_back(record);
  }
  owe_plugins(going, records);
  if (!same_host) {
    std::vector<Record> gone;
    std::erase_if(records, [&](const Record& record) {
      const bool dies = !std::holds_alternative<NetworkRecord>(record);
      if (dies) gone.push_back(record);
      return dies;
    });
    for (Record& record : gone)
      remove_files(record);
    drop_records(gone);
  }
  settle(records);
  // An endpoint whose sandbox or network is not there can't be: the store is written in
  // transactions.
  for (Record& record : records)
    state_.records.put(std::move(record));
}

void Restore::restore_firewall() {
  std::vector<sandbox::Element> elements;
  const auto take = [&](const Progress& progress) {
    if (progress.state == State::joined)
      std::ranges::move(Controller::State::elements_of(progress.plan),
                        std::back_inserter(elements));
  };
  for (const NetworkRecord* record : state_.records.networks())
    take(record->progress);
  for (const EndpointRecord* record : state_.records.endpoints())
    take(record->progress);
  std::ranges::move(cluster_elements(state_.store, state_.kernel), std::back_inserter(elements));
  state_.kernel.replace_firewall(elements);
}

void Restore::restore_network(const NetworkRecord& stored) {
  NetworkRecord record = stored;
  const std::string object = "network " + record.network.name;
  if (record.config_only) return;
  const bool is_overlay = record.network.driver == overlay_driver;
  if (!record.remote.ipam && !is_overlay)
    state_.addresses.reopen(record.network.id, record.network.pools);
  if (record.network.parent && record.network.parent->host_access)
    for (const ipam::Address& address : record.network.parent->host_access->addresses)
      state_.addresses.reserve(record.network.id, address);
  state_.names.open_network(record.network);
  if (record.progress.state != State::joined) return;
  if (is_overlay) return restore_overlay(record);
  if (record.network.parent) return restore_on_parent(std::move(record));
  record.network.vrf_index = state_.find_vrf(record.network);
  if (!record.network.link_name.empty()) {
    const auto link = state_.kernel.find_link("", record.network.link_name);
    const bool adopted = record.network.adopted_link;
    if (adopted && link) record.network.link_index = link->index;
    if (!link || (!adopted && link->index != record.network.link_index))
      remake(record.progress.plan, object);
  }
  record.progress.plan = state_.driver_of(record).network_plan(record.network);
  if (record.progress.plan != stored.progress.plan) {
    state_.remember_host_settings(record.progress.plan);
    Work work(state_.store, state_.kernel, state_.records);
    work.change(record);
    work.commit(Durability::power);
  }
  state_.open_gateway_dns(record);
}

/// Its links are in the kernel only while sandboxes of this host are on it. What is right there is
/// not touched.
void Restore::restore_overlay(const NetworkRecord& record) {
  const sandbox::Plan broken = sandbox::out_of_place(state_.kernel, record.progress.plan);
  if (broken.empty()) return;
  for (const std::string& failure : sandbox::transition(state_.kernel, broken, {}))
    problems_.push_back(fmt::format("network {}: {}", record.network.name, failure));
  sandbox::transition(state_.kernel, {}, broken);
  for (const std::string& failure :
       attach_ports(state_.kernel, state_.records.endpoints_of_network(record.network.id)))
    problems_.push_back(fmt::format("network {}: {}", record.network.name, failure));
}

void Restore::restore_networks() {
  for (const NetworkRecord* record : parents_first(state_.records.networks())) {
    try {
      restore_network(*record);
    } catch (const std::exception& error) {
      note("network " + record->network.name, error);
    }
  }
}

/// Of all endpoints, before the first listener opens: it must not deny a name that is there.
void Restore::restore_names_and_addresses() {
  for (const EndpointRecord* record : state_.records.endpoints()) {
    for (const auto& address : {record->endpoint.ipv4, record->endpoint.ipv6})
      if (address) state_.addresses.reserve(record->network_id, address->address);
    if (!record->engine || !record->engine->sandbox_key.empty()) state_.names.publish(*record);
  }
}

/// Listener and ports: what lives in netd itself.
void Restore::restore_holds(SandboxRecord& record) {
  if (record.dns_port != 0)
    record.dns_port = state_.dns.open(record.sandbox.id, record.sandbox.netns,
                                      state_.names_seen_by(record), record.dns_port);
  auto held = state_.ports.reserve_again(record.ports, problems_);
  std::vector<drivers::Port> again = PublishedPorts::ports_of(held);
  for (const drivers::Port& port : record.ports)
    if (port.host_port == 0) again.push_back(port);
  if (again.size() != record.ports.size()) record.ports = std::move(again);
  state_.ports.keep(record.sandbox.id, std::move(held));
}

void Restore::restore_sandbox(const SandboxRecord& stored) {
  if (stored.progress.state != State::joined) return;
  if (!state_.kernel.is_pinned(stored.sandbox.netns)) {
    problems_.push_back(
        fmt::format("sandbox {}: its network namespace is gone; removed", stored.spec.name));
    std::vector<Record> going, all;
    for (const EndpointRecord* endpoint : state_.records.endpoints_of_sandbox(stored.sandbox.id))
      going.emplace_back(*endpoint);
    for (const NetworkRecord* network : state_.records.networks())
      all.emplace_back(*network);
    owe_plugins(going, all);
    state_.take_down(SandboxRecord(stored));
    return;
  }
  state_.kernel.sweep(stored.sandbox.netns);
  SandboxRecord record = stored;
  restore_holds(record);
  restore_attachments(std::move(record));
}

std::vector<std::string> Restore::run() {
  const bool same_host = is_same_host();
  count_up_links();
  load(same_host);
  restore_firewall();
  restore_networks();
  restore_names_and_addresses();
  state_.claims.load(same_host);
  state_.bound.load(same_host, [&](const std::string& id) { return state_.records.endpoint(id); });
  EngineDriver engine(state_);
  engine.restore(problems_);
  for (const SandboxRecord* record : state_.records.sandboxes()) {
    const std::string name = record->spec.name;
    try {
      restore_sandbox(*record);
    } catch (const std::exception& error) {
      note("sandbox " + name, error);
    }
  }
  if (!same_host) state_.store.txn({}, {{identity_key, host_identity_}}, Durability::power);
  state_.keep_leases();
  state_.make_builtin_networks(problems_);
  engine.sweep();
  return std::move(problems_);
}

std::vector<std::string> Controller::start(const std::string& host_identity) {
  return Restore(*state_, host_identity).run();
}

}  // namespace netd
