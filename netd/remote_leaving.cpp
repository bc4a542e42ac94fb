// Leaving networks of which some are plugins' (libnetwork.md 2.6, "disconnect / stop"): Revoke and
// Leave, then the kernel, then DeleteEndpoint and ReleaseAddress. What a plugin refuses is logged
// and no reason to stay; what it can't be told now is told later (owed_calls.h).
#include <fmt/format.h>

#include "netd/log.h"
#include "netd/remote_verbs.h"

namespace netd {
namespace {

bool is_parting(const OwedCall& call) {
  return call.is_parting();
}

/// What a plugin is to be told of one endpoint as the gateways of its sandbox are now.
struct GatewayMove {
  EndpointRecord endpoint;
  std::string plugin;
  SandboxSpec sandbox;
  bool program = false;  // else revoke
  bool other_ipv6 = false;
};

std::vector<GatewayMove> gateway_moves(Controller::State& state, const std::string& sandbox_id) {
  const auto all = state.by_priority(state.records.endpoints_of_sandbox(sandbox_id));
  const auto [gateway4, gateway6] = state.gateways_of(all);
  std::vector<GatewayMove> revoked, programmed;
  for (const EndpointRecord* record : all) {
    const NetworkRecord& network = *state.records.network(record->network_id);
    const bool is_gateway = record == gateway4 || record == gateway6;
    if (!network.remote.driver || is_gateway == record->remote.external) continue;
    GatewayMove move{*record, network.network.driver, state.records.sandbox(sandbox_id)->spec,
                     is_gateway, gateway6 && gateway6 != record};
    (is_gateway ? programmed : revoked).push_back(std::move(move));
  }
  std::ranges::move(programmed, std::back_inserter(revoked));
  return revoked;
}

}  // namespace

void RemoteVerbs::move_gateways(const std::string& sandbox_id) {
  const auto moves = gate_.run([&] { return gateway_moves(state(), sandbox_id); });
  for (const GatewayMove& move : moves) {
    const auto note = [&](bool external) {
      gate_.run([&] {
        const EndpointRecord* now = state().records.endpoint(move.endpoint.endpoint.id);
        if (!now) return;
        EndpointRecord record = *now;
        record.remote.external = external;
        state().write(std::move(record));
      });
    };
    if (!move.program) {
      Absent absent;
      tell({move.plugin, "NetworkDriver.RevokeExternalConnectivity",
            plugin::endpoint_reference(move.endpoint)},
           absent);
      note(false);
      continue;
    }
    note(true);
    const auto request = plugin::external_request(move.endpoint, move.sandbox, move.other_ipv6);
    try {
      plugins_.call(move.plugin, "NetworkDriver.ProgramExternalConnectivity", &request);
    } catch (const plugin::PluginError& error) {
      if (!error.may_have_acted()) note(false);
      if (error.kind() != plugin::PluginError::Kind::not_implemented) throw;
    }
  }
}

RemoteVerbs::OwedByObject RemoteVerbs::begin_leaving(const std::vector<EndpointRecord>& endpoints) {
  OwedByObject owed;
  for (EndpointRecord record : endpoints) {
    OwedCalls calls = owed_by(record, *state().records.network(record.network_id));
    if (calls.empty()) continue;
    record.progress.state = State::leaving;
    state().names.withdraw(record);
    owe(record.endpoint.id, calls, {{key_of(record), to_text(record)}});
    owed.emplace_back(record.endpoint.id, std::move(calls));
    state().records.put(std::move(record));
  }
  return owed;
}

void RemoteVerbs::leave(const std::string& sandbox_id, const std::string& endpoint_id,
                        Absent& absent) {
  OwedByObject owed =
      gate_.run([&] { return begin_leaving({*state().records.endpoint(endpoint_id)}); });
  for (auto& [id, calls] : owed)
    settle_some(id, calls, absent, is_parting);
  std::exception_ptr failure;
  try {
    gate_.run([&] {
      state().detach(controller_.sandbox_by_id(sandbox_id), *state().records.endpoint(endpoint_id));
    });
    move_gateways(sandbox_id);
  } catch (...) {
    failure = std::current_exception();
  }
  for (auto& [id, calls] : owed)
    settle_gone(id, calls, absent, failure != nullptr);
  if (failure) std::rethrow_exception(failure);
}

void RemoteVerbs::disconnect(std::string_view network, std::string_view sandbox, bool force) {
  std::string sandbox_id, endpoint_id;
  gate_.run([&] {
    const NetworkRecord& from = state().network(network, Purpose::use);
    // An engine's container.
    if (force && !state().records.find_sandbox(sandbox).record)
      return controller_.disconnect(network, sandbox, force);
    const SandboxRecord& record = state().sandbox(sandbox);
    state().check_idle(record);
    const EndpointRecord* endpoint = state().records.endpoint(from.network.id, record.sandbox.id);
    if (!endpoint || from.network.driver == "host")
      return controller_.disconnect(network, sandbox, force);  // says why not
    sandbox_id = record.sandbox.id;
    endpoint_id = endpoint->endpoint.id;
    state().busy[sandbox_id] = "is being disconnected";
  });
  if (!sandbox_id.empty()) take_off(sandbox_id, endpoint_id);
}

void RemoteVerbs::take_off(const std::string& sandbox_id, const std::string& endpoint_id) {
  const Busy busy(*this, sandbox_id);
  Absent absent;
  leave(sandbox_id, endpoint_id, absent);
  leave_gateway(sandbox_id, absent);
  bring_down_unused();
  settle_later(absent);
}

std::vector<EndpointRecord> RemoteVerbs::take_down(const std::string& sandbox_id, Absent& absent) {
  std::vector<EndpointRecord> endpoints;
  OwedByObject owed = gate_.run([&] {
    for (const EndpointRecord* record : state().records.endpoints_of_sandbox(sandbox_id))
      endpoints.push_back(*record);
    return begin_leaving(endpoints);
  });
  for (auto& [id, calls] : owed)
    settle_some(id, calls, absent, is_parting);
  std::exception_ptr failure;
  try {
    endpoints = gate_.run(
        [&] { return state().take_down(SandboxRecord(controller_.sandbox_by_id(sandbox_id))); });
  } catch (...) {
    failure = std::current_exception();
  }
  for (auto& [id, calls] : owed)
    settle_gone(id, calls, absent, failure != nullptr);
  bring_down_unused();
  settle_later(absent);
  if (failure) std::rethrow_exception(failure);
  return endpoints;
}

void RemoteVerbs::remove_sandbox(std::string_view reference, const std::function<void()>& check) {
  SandboxRecord record;
  gate_.run([&] {
    if (check) check();
    record = state().sandbox(reference);
    state().check_idle(record);
    state().check_removable(record);
    state().busy[record.sandbox.id] = "is being removed";
  });
  const Busy busy(*this, record.sandbox.id);
  Absent absent;
  const auto endpoints = take_down(record.sandbox.id, absent);
  gate_.run([&] { state().publish_removal(record, endpoints); });
}

}  // namespace netd
