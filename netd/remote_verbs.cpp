#include "netd/remote_verbs.h"

#include "netd/failures.h"
#include "netd/log.h"
#include "netd/overlays.h"

namespace netd {
namespace {

void add_plugins(const NetworkRecord& network, RemoteVerbs::PluginNames& plugins) {
  if (network.remote.driver) plugins.insert(network.network.driver);
  if (network.remote.ipam) plugins.insert(network.ipam_driver);
  if (network.network.driver == overlay_driver) plugins.emplace(cluster_store);
  // The LAN takes its time to answer, too.
  if (network.network.leased || detects_conflicts(network.network))
    plugins.insert(Workers::lan_of(network.network.name));
}

}  // namespace

RemoteVerbs::PluginNames RemoteVerbs::asked_by_create(const NetworkSpec& spec) const {
  PluginNames plugins;
  if (spec.config_only) return plugins;
  std::string ipam = spec.ipam_driver;
  if (const auto from = state().records.find_network(spec.config_from); from.record)
    ipam = from.record->ipam_driver;
  if (!spec.driver.empty() && !state().drivers.find(spec.driver) && plugins_.is_there(spec.driver))
    plugins.insert(spec.driver);
  if (!is_own_ipam(ipam) && plugins_.is_there(ipam)) plugins.insert(ipam);
  if (spec.driver == overlay_driver) plugins.emplace(cluster_store);
  return plugins;
}

RemoteVerbs::PluginNames RemoteVerbs::asked_by_create(const SandboxSpec& spec) const {
  PluginNames plugins;
  for (const SandboxSpec::Attachment& attachment : spec.networks)
    plugins.merge(asked_by_network(attachment.network));
  return plugins;
}

RemoteVerbs::PluginNames RemoteVerbs::asked_by_network(std::string_view reference) const {
  PluginNames plugins;
  if (const auto match = state().records.find_network(reference); match.record)
    add_plugins(*match.record, plugins);
  return plugins;
}

RemoteVerbs::PluginNames RemoteVerbs::asked_by_sandbox(std::string_view reference) const {
  PluginNames plugins;
  const auto match = state().records.find_sandbox(reference);
  if (!match.record) return plugins;
  for (const EndpointRecord* endpoint :
       state().records.endpoints_of_sandbox(match.record->sandbox.id))
    add_plugins(*state().records.network(endpoint->network_id), plugins);
  return plugins;
}

RemoteVerbs::PluginNames RemoteVerbs::asked_by_attachment(std::string_view network,
                                                          std::string_view sandbox) const {
  PluginNames plugins = asked_by_network(network);
  plugins.merge(asked_by_sandbox(sandbox));
  return plugins;
}

RemoteVerbs::PluginNames RemoteVerbs::asked_by_all() const {
  PluginNames plugins;
  for (const NetworkRecord* network : state().records.networks())
    add_plugins(*network, plugins);
  return plugins;
}

/// False: it is still to be told.
bool RemoteVerbs::tell(const OwedCall& call, Absent& absent) {
  if (absent.contains(call.plugin)) return false;
  if (call.plugin == cluster_store) return tell_cluster(call, absent);
  try {
    plugins_.call(call.plugin, call.method, &call.arguments);
    return true;
  } catch (const plugin::PluginError& error) {
    if (error.kind() == plugin::PluginError::Kind::not_implemented) return true;
    log::warn("a plugin did not do what was asked, going on", {{"error", error.what()}});
    if (!error.is_absent()) return true;
    absent.insert(call.plugin);
    // Asked without an answer: it may have been released, and be somebody else's by the next try.
    return call.is_release() && error.kind() == plugin::PluginError::Kind::silent;
  } catch (const std::exception& error) {  // its file is gone, or wrong
    log::warn("a plugin can't be asked, later again",
              {{"plugin", call.plugin}, {"error", error.what()}});
    absent.insert(call.plugin);
    return false;
  }
}

void RemoteVerbs::owe(const std::string& id, const OwedCalls& calls, std::vector<Change> with) {
  settling_.insert(id);
  with.push_back(owed_change(id, calls));
  state().store.txn({}, with, Durability::process);
}

void RemoteVerbs::settle_some(const std::string& id, OwedCalls& calls, Absent& absent,
                              const std::function<bool(const OwedCall&)>& wanted) {
  while (!calls.empty() && wanted(calls.front()) && tell(calls.front(), absent)) {
    calls.erase(calls.begin());
    gate_.run([&] { state().store.txn({}, {owed_change(id, calls)}, Durability::process); });
  }
}

void RemoteVerbs::settle(const std::string& id, OwedCalls& calls, Absent& absent) {
  settle_some(id, calls, absent, [](const OwedCall&) { return true; });
  gate_.run([&] { settling_.erase(id); });
}

void RemoteVerbs::settle_gone(const std::string& id, OwedCalls& calls, Absent& absent,
                              bool is_here) {
  if (!is_here) return settle(id, calls, absent);
  settle_some(id, calls, absent, [](const OwedCall& call) { return call.plugin != cluster_store; });
  gate_.run([&] { settling_.erase(id); });
}

void RemoteVerbs::settle_later(const Absent& absent) {
  if (absent.empty() || gate_.run([&] { return std::exchange(settling_all_, true); })) return;
  workers_.start([this] {
    try {
      settle_all();
      gate_.run([&] { settling_all_ = false; });
    } catch (const std::exception& error) {  // the store's
      log::warn("plugins are still owed calls, told at the next start", {{"error", error.what()}});
    }
  });
}

RemoteVerbs::Absent RemoteVerbs::absent_in(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const plugin::PluginError& error) {
    return error.is_absent() ? Absent{error.plugin()} : Absent{};
  } catch (const StoreAway&) {
    return {std::string(cluster_store)};
  } catch (...) {
    return {};
  }
}

void RemoteVerbs::settle_all() {
  auto all = gate_.run([&] { return load_owed(state().store); });
  Absent absent;
  for (auto& [id, calls] : all) {
    if (workers_.is_stopping()) return;
    bool is_here = false;
    const bool mine = gate_.run([&, &object = id] {
      is_here = state().records.endpoint(object) != nullptr;
      return settling_.insert(object).second;
    });
    if (mine) settle_gone(id, calls, absent, is_here);
  }
}

void RemoteVerbs::replay_network(const NetworkRecord& network) {
  for (const PoolLease& lease : network.remote.leases) {
    const PoolRequest wanted{.subnet = lease.subnet, .gateway = {}, .range = {}, .auxiliary = {}};
    const auto request = plugin::pool_request(network, wanted, lease.subnet.family());
    plugins_.call(network.ipam_driver, "IpamDriver.RequestPool", &request);
    std::vector<ipam::Address> addresses = lease.addresses;
    gate_.run([&] {
      for (const EndpointRecord* endpoint :
           state().records.endpoints_of_network(network.network.id))
        for (const RemoteEndpoint::Lease& one : endpoint->remote.leases)
          if (one.pool_id == lease.pool_id) addresses.push_back(one.address);
    });
    for (const ipam::Address& address : addresses) {
      const auto again = plugin::auxiliary_request(lease.pool_id, address);
      plugins_.call(network.ipam_driver, "IpamDriver.RequestAddress", &again);
    }
  }
}

void RemoteVerbs::replay_leases() {
  const auto networks = gate_.run([&] {
    std::vector<NetworkRecord> remote;
    for (const NetworkRecord* network : state().records.networks())
      if (network->remote.ipam && network->progress.state == netd::State::joined)
        remote.push_back(*network);
    return remote;
  });
  Absent absent;
  for (const NetworkRecord& network : networks) {
    if (workers_.is_stopping()) return;
    if (absent.contains(network.ipam_driver)) continue;
    try {
      if (plugins_.activate(network.ipam_driver).ipam.requires_replay) replay_network(network);
    } catch (const std::exception& error) {
      absent.insert(network.ipam_driver);
      log::warn("an IPAM plugin did not hear again of its leases",
                {{"network", network.network.name}, {"error", error.what()}});
    }
  }
}

void RemoteVerbs::settle_in_background() {
  workers_.start([this] {
    try {
      replay_leases();
      settle_all();
    } catch (const std::exception& error) {
      log::warn("plugins are still owed calls, later again", {{"error", error.what()}});
    }
  });
}

std::vector<std::string> RemoteVerbs::purge() {
  Failures failures;
  const auto sandboxes = gate_.run([&] {
    std::vector<std::string> ids;
    // Those that live in another's namespace go before it.
    for (const SandboxRecord* record : state().records.sandboxes())
      if (!record->spec.shared_with.empty()) ids.push_back(record->sandbox.id);
    for (const SandboxRecord* record : state().records.sandboxes())
      if (record->spec.shared_with.empty() && !asked_by_sandbox(record->sandbox.id).empty())
        ids.push_back(record->sandbox.id);
    return ids;
  });
  for (const std::string& id : sandboxes)
    failures.attempt([&] { remove_sandbox(id); });
  const auto networks = gate_.run([&] {
    std::vector<std::string> ids;
    for (const NetworkRecord* record : state().records.networks())
      if (record->remote.driver || record->remote.ipam) ids.push_back(record->network.id);
    return ids;
  });
  for (const std::string& id : networks)
    failures.attempt([&] { remove_network(id); });
  settle_all();
  failures.add(gate_.run([&] {
    drop_owed(state().store);
    // What is still here, because it could not be removed in order, goes now; its addresses are
    // given back all the same.
    for (const EndpointRecord* record : state().records.endpoints())
      if (!record->remote.claim.empty())
        state().store.txn({}, {owed_change(record->endpoint.id, {claim_of(*record)})},
                          Durability::power);
    return controller_.purge();
  }));
  settle_all();
  return failures.texts();
}

}  // namespace netd
