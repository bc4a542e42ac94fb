// The cluster as this host sees it, and hosts that are given up by hand. The store is asked on a
// worker.
#include <nlohmann/json.hpp>

#include "netd/api/handlers.h"
#include "netd/cluster_member.h"
#include "netd/overlay_trace.h"
#include "netd/overlays.h"
#include "netd/owed_calls.h"
#include "netd/remote_verbs.h"

namespace netd::api {
namespace {

using nlohmann::json;

ClusterMember& member_of(const Context& context) {
  if (!context.cluster || !context.verbs)
    throw Error(ErrorKind::not_found,
                "this host is in no cluster: start netd with --cluster etcd://HOST:2379 "
                "(docs/overlay.md)");
  return *context.cluster;
}

json member_json(const SharedStore::Member& member) {
  return {{"Endpoint", member.endpoint}, {"Problem", member.problem},
          {"Version", member.version},   {"Leader", member.leader},
          {"Bytes", member.bytes},       {"LatencyMicroseconds", member.latency.count()},
          {"Alarms", member.alarms}};
}

const char* state_of(const Overlays& overlays, const Overlays::Host& host) {
  if (!overlays.hosts_told()) return "unknown";
  if (host.live) return "live";
  return host.given_up ? "dead" : "unreachable";
}

json encryption_json(const cluster::HostInfo& info,
                     const std::map<std::string, std::int64_t>& ages) {
  if (!info.encryption) return nullptr;
  const auto age = ages.find(info.id);
  return {{"Key", info.encryption->key},
          {"NextKey", info.encryption->next},
          {"Address", info.encryption->inside.to_string()},
          {"Port", info.encryption->port},
          {"SecondsSinceProof", age == ages.end() ? json() : json(age->second)}};
}

json hosts_json(const Overlays& overlays) {
  json hosts = json::array();
  const auto ages = overlays.encryption().seconds_since_proof();
  for (const auto& [id, host] : overlays.hosts()) {
    if (!host.info && !host.live) continue;  // given up, and all of it gone
    const auto info = host.info.value_or(cluster::HostInfo{});
    hosts.push_back({{"Id", id},
                     {"Name", info.name},
                     {"Self", id == overlays.self().host},
                     {"State", state_of(overlays, host)},
                     {"Vtep", host.info ? info.vtep.to_string() : ""},
                     {"Mtu", info.mtu},
                     {"Version", info.version},
                     {"Encryption", encryption_json(info, ages)}});
  }
  return hosts;
}

json state_json(const ClusterMember::State& state) {
  return {
      {"State", state.live     ? "live"
                : state.joined ? "unreachable"
                               : "joining"},
      {"Problem", state.problem},
      {"SecondsSinceContact", state.since_contact ? json(state.since_contact->count()) : json()},
      {"Cluster", state.cluster},
      {"Host", state.host},
      {"Vtep", state.vtep.address.to_string()},
      {"Link", state.vtep.link},
      {"UnderlayMtu", state.vtep.mtu},
      {"VxlanPort", state.port}};
}

}  // namespace

Response cluster_status(const Call&, Context& context) {
  ClusterMember& cluster = member_of(context);
  Controller& controller = context.controller;
  const auto ask = [&cluster, &controller](RemoteVerbs& verbs) {
    json answer = state_json(cluster.state());
    answer["Store"] = json::array();
    for (const SharedStore::Member& member : cluster.store().status().members)
      answer["Store"].push_back(member_json(member));
    verbs.gate().run([&] {
      const Overlays* overlays = controller.state().overlays;
      answer["Hosts"] = overlays ? hosts_json(*overlays) : json::array();
      answer["Revision"] = overlays ? overlays->revision() : 0;
      answer["Findings"] = json::array();
      for (const Finding& finding : cluster.examine())
        answer["Findings"].push_back({{"What", finding.what}, {"Repair", finding.repair}});
      answer["Stale"] = overlays && overlays->is_stale();
      answer["Unusable"] = overlays ? json(overlays->unusable()) : json::object();
    });
    return json_response(200, answer);
  };
  return ask_later(*context.verbs, {std::string(cluster_store)}, ask);
}

Response rotate_key(const Call&, Context& context) {
  ClusterMember& cluster = member_of(context);
  const auto ask = [&cluster](RemoteVerbs&) {
    try {
      cluster.rotate_key();
    } catch (const StoreError& error) {
      throw cluster.explain(error);
    }
    return json_response(202, json::object());
  };
  return ask_later(*context.verbs, {std::string(cluster_store)}, ask);
}

Response trace_overlay(const Call& call, Context& context) {
  ClusterMember& cluster = member_of(context);
  const std::string from = call.parameter("from"), to = call.parameter("to");
  if (from.empty() || to.empty())
    throw Error(ErrorKind::invalid, "from and to: say which sandboxes, ?from=web&to=db");
  const auto ask = [&cluster, &controller = context.controller, from, to,
                    network = call.parameter("network")](RemoteVerbs& verbs) {
    const Trace trace = netd::trace_overlay(cluster, controller, verbs.gate(), from, to, network);
    json steps = json::array();
    for (const TraceStep& step : trace.steps)
      steps.push_back({{"What", step.what}, {"Good", step.good}, {"Detail", step.detail}});
    return json_response(
        200, {{"Works", trace.works}, {"Verdict", trace.verdict}, {"Steps", std::move(steps)}});
  };
  return ask_later(*context.verbs, {std::string(cluster_store)}, ask);
}

Response remove_host(const Call& call, Context& context) {
  ClusterMember& cluster = member_of(context);
  const Overlays* overlays = context.controller.state().overlays;
  const std::string& reference = call.id;
  std::vector<std::string> found;
  const auto find = [&](const auto& is_it) {
    if (!overlays || !found.empty()) return;
    for (const auto& [id, host] : overlays->hosts())
      if (is_it(id, host)) found.push_back(id);
  };
  constexpr std::size_t shortest = 4;  // of the beginning of an id
  find([&](const std::string& id, const auto&) { return id == reference; });
  find([&](const auto&, const Overlays::Host& host) {
    return host.info && host.info->name == reference;
  });
  if (reference.size() >= shortest)
    find([&](const std::string& id, const auto&) { return id.starts_with(reference); });
  if (found.empty())
    throw Error(ErrorKind::not_found,
                "no host " + reference + " in the cluster (netctl cluster host ls)");
  if (found.size() > 1)
    throw Error(ErrorKind::invalid, "host " + reference + " is ambiguous: give its whole id");
  return ask_later(*context.verbs, {std::string(cluster_store)},
                   [&cluster, host = found.front()](RemoteVerbs&) {
                     cluster.give_up(host);
                     return empty_response(204);
                   });
}

}  // namespace netd::api
