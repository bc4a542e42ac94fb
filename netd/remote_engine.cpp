// The verbs of engines on networks that stand for the cluster's (engine_overlay.cpp): an address is
// entered in the books as soon as it is asked for, and the entry becomes the endpoint's when that
// is made.
//
//     engine says        in the books
//     RequestAddress     an entry of its own, one for each family
//     CreateEndpoint     these are exchanged for the endpoint's, in one transaction
//     DeleteEndpoint     nothing: the addresses are the engine's until it gives them back
//     ReleaseAddress     the entry is struck out, when the last of its addresses is given back
#include "netd/cluster_member.h"
#include "netd/log.h"
#include "netd/overlays.h"
#include "netd/remote_verbs.h"

namespace netd {

void RemoteVerbs::abandon_claim(const BoundClaim& claim, Absent absent) {
  OwedCalls calls = ClusterClaims::owed_by(claim);
  gate_.run([&] { owe(claim.id, calls, {state().bound.drop(claim.id)}); });
  settle(claim.id, calls, absent);
  settle_later(absent);
}

ipam::Prefix RemoteVerbs::engine_takes_address(const AddressAsk& ask) {
  cluster::TakenAddresses taken;
  const EngineDriver::BegunClaim begun = gate_.run([&] {
    EngineDriver::BegunClaim claim = controller_.engine().begin_claim(ask);
    if (!claim.known && state().overlays) taken = state().overlays->taken(claim.claim.cluster);
    return claim;
  });
  if (begun.known) return *begun.known;
  BoundClaim claim = begun.claim;
  cluster::Ledger::EndpointRequest request{.ipv4 = {}, .ipv6 = {}, .mac = {}, .only = begun.family};
  (begun.family == ipam::Family::v4 ? request.ipv4 : request.ipv6) = ask.address;
  try {
    const cluster::Endpoint claimed = cluster().ledger().add_endpoint(
        {.id = claim.id, .network = claim.cluster, .token = claim.token}, request,
        std::move(taken));
    claim.ipv4 = claimed.ipv4;
    claim.ipv6 = claimed.ipv6;
    claim.mac = claimed.mac;
    gate_.run([&] { state().bound.put(claim); });
  } catch (const StoreError& error) {
    doubt(error, release_of(claim.cluster, claim.id, claim.token));
    abandon_claim(claim, {std::string(cluster_store)});
    throw cluster().explain(error);
  } catch (...) {
    abandon_claim(claim, {});
    throw;
  }
  return *claim.of(begun.family);
}

void RemoteVerbs::engine_gives_back(const std::string& pool, const ipam::Address& address) {
  const auto claim = gate_.run([&] { return controller_.engine().give_back(pool, address); });
  if (claim) abandon_claim(*claim, {});
}

void RemoteVerbs::abandon_engine_endpoint(const EndpointRecord& record, Absent absent) {
  const std::string& id = record.endpoint.id;
  OwedCalls calls{claim_of(record)};
  gate_.run([&] {
    owe(id, calls, {{key_of(Record(record)), std::nullopt}});
    state().records.erase(record);
    state().overlays->bring_down_if_unused(record.network_id);
  });
  settle(id, calls, absent);
  settle_later(absent);
}

EndpointRecord RemoteVerbs::engine_makes_endpoint(const EngineEndpointSpec& spec) {
  cluster::Ledger& ledger = cluster().ledger();
  const EngineDriver::BegunEndpoint begun =
      gate_.run([&] { return controller_.engine().begin_endpoint(spec); });
  const EndpointRecord& record = begun.record;
  if (record.progress.state == netd::State::joined) return record;
  std::vector<cluster::Endpoint> before;
  for (const BoundClaim& claim : begun.before)
    before.push_back({.id = claim.id,
                      .network = claim.cluster,
                      .mac = claim.mac,
                      .ipv4 = claim.ipv4,
                      .ipv6 = claim.ipv6,
                      .token = claim.token});
  try {
    ledger.exchange(in_cluster(record, ""), before);
    gate_.run([&] { controller_.engine().finish_endpoint(begun); });
  } catch (const StoreError& error) {
    doubt(error, claim_of(record));
    abandon_engine_endpoint(record, {std::string(cluster_store)});
    throw cluster().explain(error);
  } catch (...) {
    abandon_engine_endpoint(record, {});
    throw;
  }
  return record;
}

JoinedLink RemoteVerbs::engine_joins(const EngineJoinSpec& spec) {
  const drivers::Network network = gate_.run([&] {
    const EngineDriver engine = controller_.engine();
    engine.endpoint(spec.network_id, spec.id);  // throws
    return engine.bound_network(spec.network_id).network;
  });
  cluster().ledger();  // throws before this host is a member
  bring_up(network);
  return gate_.run([&] { return controller_.engine().join(spec); });
}

void RemoteVerbs::engine_removes_network(const std::string& id) {
  gate_.run([&] { controller_.engine().delete_network(id); });
  settle_cluster();
}

void RemoteVerbs::publish_names(const std::string& endpoint_id) {
  workers_.start([this, endpoint_id] {
    try {
      const auto endpoint = gate_.run([&]() -> std::optional<cluster::Endpoint> {
        const EndpointRecord* record = state().records.endpoint(endpoint_id);
        if (!record || record->remote.claim.empty() || !state().overlays) return std::nullopt;
        return in_cluster(*record, state().overlays->self().host);
      });
      if (endpoint) cluster().ledger().rename_endpoint(*endpoint);
    } catch (const std::exception& error) {  // the next look round finds the difference
      log::warn("other hosts don't know a container's names yet, later again",
                {{"endpoint", log::short_id(endpoint_id)}, {"error", error.what()}});
    }
  });
}

}  // namespace netd
