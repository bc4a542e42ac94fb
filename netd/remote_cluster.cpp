// Verbs on overlay networks: their networks, addresses and endpoints stand in the cluster's books
// first (cluster/ledger.h), then in this host's records and kernel.
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "drivers/options.h"
#include "drivers/overlay.h"
#include "netd/cluster/holders.h"
#include "netd/cluster_member.h"
#include "netd/log.h"
#include "netd/overlay_gateway.h"
#include "netd/overlays.h"
#include "netd/remote_verbs.h"

namespace netd {
namespace {

constexpr auto longest_programming = std::chrono::seconds(5);

/// One each cluster::keep_period, of a store that answers: a minute. A member of etcd that was held
/// up says again what it was asked in moments; longer than that, the audit finds it
/// (ClusterMember::heal).
constexpr int looks_at_a_doubt = 12;

/// As Docker's for swarm: /24s of 10.0.0.0/8; /64s of a prefix that is the cluster's own.
std::vector<ipam::AddressPool> cluster_pools(const std::string& cluster) {
  const std::uint64_t digest = std::stoull(cluster.substr(0, 16), nullptr, 16);
  return ipam::complete_address_pools({{*ipam::Prefix::parse("10.0.0.0/8"), 24}}, digest);
}

/// The smallest link between hosts: packets of the network have to pass all of them.
std::uint32_t smallest_underlay(const Overlays& overlays) {
  std::uint32_t mtu = overlays.self().mtu;
  for (const auto& [id, host] : overlays.hosts())
    if (host.live && host.info && host.info->mtu != 0) mtu = std::min(mtu, host.info->mtu);
  return mtu;
}

cluster::Network in_cluster(const NetworkRecord& record) {
  const drivers::Network& network = record.network;
  return {.id = network.id,
          .name = network.name,
          .vni = drivers::vni_option(network.options).value_or(0),
          .ipv4 = network.ipv4,
          .ipv6 = network.ipv6,
          .internal = network.internal,
          .attachable = record.attachable,
          .options = network.options,
          .labels = record.labels,
          .created_nano = record.created_nano};
}

}  // namespace

NetworkSpec gateway_bridge_spec() {
  NetworkSpec spec;
  spec.name = gateway_bridge;
  spec.options = {{std::string(drivers::option_bridge_name), std::string(gateway_bridge)},
                  {std::string(drivers::option_icc), "false"}};
  return spec;
}

namespace {

/// What no container can be reached in, or what would take the hosts' way to each other from its
/// containers.
void check_subnet(const ipam::Prefix& subnet, const ipam::Address& vtep) {
  const ipam::Address& address = subnet.address;
  if (address.is_multicast() || address.is_loopback() || address.is_link_local())
    throw std::invalid_argument(fmt::format(
        "subnet {} is not allowed: multicast, loopback and link-local addresses are no containers'",
        subnet.to_string()));
  if (subnet.contains(vtep))
    throw std::invalid_argument(
        fmt::format("subnet {} has this host's tunnel address {} in it: containers could not reach "
                    "the hosts; choose another",
                    subnet.to_string(), vtep.to_string()));
}

}  // namespace

ClusterMember& RemoteVerbs::cluster() const {
  if (!cluster_)
    throw Error(ErrorKind::forbidden,
                "overlay networks need a cluster: start netd with --cluster "
                "etcd://HOST:2379 (docs/overlay.md)");
  return *cluster_;
}

CreatedNetwork RemoteVerbs::create_overlay(const NetworkSpec& given) {
  cluster::Ledger& ledger = cluster().ledger();
  NetworkSpec spec = given;
  NetworkRecord record;
  cluster::Network wanted;
  std::vector<ipam::Prefix> reserved;
  ipam::Address vtep;
  const drivers::Driver* driver = nullptr;
  if (drivers::overlay_is_encrypted(spec.options)) prepare_encryption();
  if (spec.scope == "local")
    throw std::invalid_argument("scope local: overlay networks are of all hosts; leave it out");
  spec.scope.clear();
  gate_.run([&] {
    record = state().begin_network(spec);
    state().check_network(record);
    wanted = in_cluster(record);
    wanted.token = cluster::make_token();
    const Overlays& overlays = *state().overlays;
    wanted.mtu = drivers::overlay_mtu(record.network, smallest_underlay(overlays),
                                      overlays.self().vtep.family());
    reserved = state().reserved_prefixes();
    vtep = overlays.self().vtep;
    driver = &state().driver_of(record);
  });
  const std::string cluster_id = cluster().state().cluster;
  using TakenPool = cluster::Ledger::TakenPool;
  const auto choose = [&](const std::vector<TakenPool>& taken) {
    Addresses space(cluster_pools(cluster_id));
    for (std::size_t i = 0; i < taken.size(); ++i)
      space.reopen(std::to_string(i),
                   {{.subnet = taken[i].subnet, .gateway = {}, .range = {}, .auxiliary = {}}});
    auto pools = space.open(
        {.network_id = record.network.id,
         .ipv4 = record.network.ipv4,
         .ipv6 = record.network.ipv6,
         .pools = spec.pools,
         .reserved = reserved,
         .wants_gateway =
             [&](ipam::Family family) { return driver->wants_gateway(record.network, family); },
         .name_of = [&](const ipam::Prefix& subnet) -> std::string {
           const auto of = std::ranges::find(taken, subnet, &TakenPool::subnet);
           return of == taken.end()
                      ? "another network of the cluster"
                      : cluster::network_name(cluster().store(), cluster().keys(), of->network);
         }});
    for (const drivers::Pool& pool : pools)
      check_subnet(pool.subnet, vtep);
    return pools;
  };
  // Owed before it is asked for: what becomes of it, unless this verb comes to its end it is taken
  // back.
  OwedCalls owed{{std::string(cluster_store),
                  std::string(withdraw_network),
                  {{"network", wanted.id}, {"token", wanted.token}}}};
  gate_.run([&] { owe(wanted.id, owed); });
  Absent absent;
  try {
    const cluster::Network made = ledger.add_network(wanted, choose);
    return gate_.run([&] {
      state().store.txn({}, {owed_change(wanted.id, {})}, Durability::power);
      settling_.erase(wanted.id);
      state().overlays->learn(made);
      record.network.pools = made.pools;
      return CreatedNetwork{made.id, state().driver_of(record).check_network(record.network)};
    });
  } catch (const StoreError& error) {
    doubt(error, owed.front());
    // Not asked again at once: the user waits.
    absent.emplace(cluster_store);
    settle(wanted.id, owed, absent);
    throw cluster().explain(error);
  } catch (...) {
    settle(wanted.id, owed, absent);
    throw;
  }
}

void RemoteVerbs::prepare_encryption() {
  try {
    cluster().prepare_encryption();
  } catch (const StoreError& error) {
    throw cluster().explain(error);
  }
}

void RemoteVerbs::remove_overlay(const NetworkRecord& record) {
  cluster::Ledger& ledger = cluster().ledger();
  try {
    ledger.remove_network(record.network.id);
  } catch (const StoreError& error) {
    if (error.kind != StoreError::Kind::unknown) throw cluster().explain(error);
    throw Error(ErrorKind::unavailable,
                fmt::format("the cluster store did not say whether it removed network {}: look "
                            "again (netctl network ls), and remove it again if it is there: {}",
                            record.network.name, error.what()));
  }
  gate_.run([&] { state().overlays->forget(record.network.id); });
}

/// The claim's token is on record before the store is asked: what becomes of it, it can be given
/// back.
void RemoteVerbs::claim_endpoint(Asked& asked) {
  EndpointRecord& record = asked.endpoint;
  cluster::Ledger& ledger = cluster().ledger();
  if (drivers::overlay_is_encrypted(asked.network.network.options)) prepare_encryption();
  record.remote.claim = cluster::make_token();
  cluster::TakenAddresses taken;
  gate_.run([&] {
    state().write(record);
    taken = state().overlays->taken(record.network_id);
  });
  try {
    const cluster::Endpoint claimed = ledger.add_endpoint(
        in_cluster(record, ""),
        {.ipv4 = record.spec.ipv4, .ipv6 = record.spec.ipv6, .mac = record.spec.mac},
        std::move(taken));
    record.endpoint.ipv4 = claimed.ipv4;
    record.endpoint.ipv6 = claimed.ipv6;
    record.endpoint.mac = claimed.mac;
    gate_.run([&] { state().write(record); });
  } catch (const StoreError& error) {
    doubt(error, claim_of(record));
    throw StoreAway(cluster().explain(error));
  }
}

/// The other hosts' endpoints are in the kernel before the sandbox's first packet is.
void RemoteVerbs::bring_up(const drivers::Network& network) {
  const auto ready = std::make_shared<std::promise<void>>();
  auto done = ready->get_future();
  gate_.run([&] { state().overlays->bring_up(network.id, [ready] { ready->set_value(); }); });
  if (done.wait_for(longest_programming) != std::future_status::ready)
    log::warn("the endpoints of other hosts are not known yet, going on",
              {{"network", network.name}});
}

void RemoteVerbs::bring_down_unused() {
  gate_.run([&] {
    if (!state().overlays) return;
    for (const NetworkRecord* record : state().records.networks())
      if (record->network.driver == overlay_driver)
        state().overlays->bring_down_if_unused(record->network.id);
  });
}

bool RemoteVerbs::tell_cluster(const OwedCall& call, Absent& absent) {
  try {
    const auto network = call.arguments.at("network").get<std::string>();
    const auto token = call.arguments.at("token").get<std::string>();
    if (call.method == withdraw_network)
      cluster().ledger().remove_network(network, token);
    else
      cluster().ledger().remove_endpoint(network, call.arguments.at("endpoint").get<std::string>(),
                                         token);
    return true;
  } catch (const drivers::Refused&) {  // others are on the network already: it stays
    return true;
  } catch (const std::exception& error) {
    log::warn("the cluster's store can't be told, later again", {{"error", error.what()}});
    absent.insert(call.plugin);
    return false;
  }
}

/// What was struck out in time, or was not there then, may come through later: etcd can hold a
/// transaction while it has no quorum, and make it when it has one again.
void RemoteVerbs::doubt(const StoreError& error, const OwedCall& strike) {
  if (error.kind != StoreError::Kind::unknown) return;
  const nlohmann::json& what = strike.arguments;
  log::warn("the cluster's store took a request and did not answer: what comes of it is taken back",
            {{"network", what.value("network", "")},
             {"endpoint", what.value("endpoint", "")},
             {"token", what.value("token", "")}});
  gate_.run([&] { doubts_.push_back({strike, looks_at_a_doubt}); });
}

void RemoteVerbs::strike_doubts() {
  OwedCalls strikes;
  for (const Doubt& doubt : gate_.run([&] { return doubts_; }))
    strikes.push_back(doubt.strike);
  Absent absent;
  for (const OwedCall& strike : strikes)
    if (!tell_cluster(strike, absent)) return;
  gate_.run([&] {
    // Those that came meanwhile stand behind them.
    const auto told = doubts_.begin() + static_cast<std::ptrdiff_t>(strikes.size());
    std::for_each(doubts_.begin(), told, [](Doubt& doubt) { --doubt.looks; });
    std::erase_if(doubts_, [](const Doubt& doubt) { return doubt.looks == 0; });
  });
}

void RemoteVerbs::settle_cluster() {
  const bool owes = gate_.run([&] {
    for (const auto& [id, calls] : load_owed(state().store))
      for (const OwedCall& call : calls)
        if (call.plugin == cluster_store && !settling_.contains(id)) return true;
    return false;
  });
  if (owes) settle_later({std::string(cluster_store)});
}

RemoteVerbs::Attachments RemoteVerbs::with_gateway(const std::string& sandbox_id,
                                                   Attachments attachments) {
  const auto gives_way_out = [&](const NetworkRecord& network) {
    return network.network.driver != overlay_driver && !network.network.internal;
  };
  return gate_.run([&] {
    bool needs = false;
    bool has = false;
    for (const auto& [id, spec] : attachments) {
      const NetworkRecord* network = state().records.network(id);
      if (!network) continue;  // removed meanwhile, which is said when it is joined
      needs |= network->network.driver == overlay_driver && !network->network.internal;
      has |= gives_way_out(*network);
    }
    for (const EndpointRecord* endpoint : state().records.endpoints_of_sandbox(sandbox_id))
      has |= gives_way_out(*state().records.network(endpoint->network_id));
    if (!needs || has) return attachments;
    const auto known = state().records.find_network(gateway_bridge);
    const std::string id = known.by_name > 0 ? known.record->network.id
                                             : controller_.create_network(gateway_bridge_spec()).id;
    // Last: names of interfaces and routes follow the order of joining.
    attachments.emplace_back(id, EndpointSpec{});
    return attachments;
  });
}

void RemoteVerbs::leave_gateway(const std::string& sandbox_id, Absent& absent) {
  const std::string endpoint_id = gate_.run([&]() -> std::string {
    std::string gateway;
    for (const EndpointRecord* endpoint : state().records.endpoints_of_sandbox(sandbox_id)) {
      const NetworkRecord& network = *state().records.network(endpoint->network_id);
      if (network.network.driver == overlay_driver && !network.network.internal) return "";
      if (is_gateway_bridge(network)) gateway = endpoint->endpoint.id;
    }
    return gateway;
  });
  if (!endpoint_id.empty()) leave(sandbox_id, endpoint_id, absent);
}

void RemoteVerbs::lose(const std::string& endpoint_id) {
  std::string sandbox_id;
  gate_.run([&] {
    const EndpointRecord* record = state().records.endpoint(endpoint_id);
    if (record && record->engine)
      return controller_.engine().delete_endpoint(record->network_id, std::string(endpoint_id));
    if (!record || record->sandbox_id.empty()) return;
    if (state().busy.contains(record->sandbox_id)) return;  // the next look round finds it again
    sandbox_id = record->sandbox_id;
    state().busy[sandbox_id] = "loses an address that the cluster gave to others";
  });
  if (!sandbox_id.empty()) take_off(sandbox_id, endpoint_id);
}

}  // namespace netd
