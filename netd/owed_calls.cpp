#include "netd/owed_calls.h"

#include <algorithm>

#include "netd/plugin/messages.h"

namespace netd {
namespace {

constexpr std::string_view prefix = "owed/";

OwedCalls from_text(const std::string& text) {
  OwedCalls calls;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return calls;
  for (const auto& one : json)
    if (one.is_object())
      calls.push_back({one.value("plugin", ""), one.value("method", ""),
                       one.value("arguments", nlohmann::json::object())});
  return calls;
}

bool is_of_network(const OwedCalls& calls) {
  return std::ranges::any_of(calls, [](const OwedCall& call) {
    return call.method == "NetworkDriver.DeleteNetwork" || call.method == "IpamDriver.ReleasePool";
  });
}

}  // namespace

bool OwedCall::is_parting() const {
  return method == "NetworkDriver.RevokeExternalConnectivity" || method == "NetworkDriver.Leave";
}

bool OwedCall::is_release() const {
  return method.starts_with("IpamDriver.Release");
}

OwedCalls owed_by(const EndpointRecord& endpoint, const NetworkRecord& network) {
  OwedCalls calls;
  const auto tell = [&](const char* method) {
    calls.push_back({network.network.driver, method, plugin::endpoint_reference(endpoint)});
  };
  if (endpoint.remote.external) tell("NetworkDriver.RevokeExternalConnectivity");
  if (endpoint.remote.joined) tell("NetworkDriver.Leave");
  if (endpoint.remote.created) tell("NetworkDriver.DeleteEndpoint");
  for (const RemoteEndpoint::Lease& lease : endpoint.remote.leases)
    calls.push_back({network.ipam_driver, "IpamDriver.ReleaseAddress",
                     plugin::address_release(lease.pool_id, lease.address)});
  if (!endpoint.remote.claim.empty()) calls.push_back(claim_of(endpoint));
  return calls;
}

OwedCall claim_of(const EndpointRecord& endpoint) {
  return release_of(endpoint.network_id, endpoint.endpoint.id, endpoint.remote.claim);
}

OwedCall release_of(const std::string& network, const std::string& endpoint,
                    const std::string& token) {
  return {std::string(cluster_store),
          std::string(release_claim),
          {{"network", network}, {"endpoint", endpoint}, {"token", token}}};
}

OwedCalls owed_by(const NetworkRecord& network) {
  OwedCalls calls;
  if (network.remote.created)
    calls.push_back({network.network.driver, "NetworkDriver.DeleteNetwork",
                     plugin::network_reference(network.network.id)});
  for (auto lease = network.remote.leases.rbegin(); lease != network.remote.leases.rend();
       ++lease) {
    for (const ipam::Address& address : lease->addresses)
      calls.push_back({network.ipam_driver, "IpamDriver.ReleaseAddress",
                       plugin::address_release(lease->pool_id, address)});
    calls.push_back(
        {network.ipam_driver, "IpamDriver.ReleasePool", plugin::pool_release(lease->pool_id)});
  }
  return calls;
}

Change owed_change(const std::string& id, const OwedCalls& calls) {
  const std::string key = std::string(prefix) + id;
  if (calls.empty()) return {key, std::nullopt};
  auto json = nlohmann::json::array();
  for (const OwedCall& call : calls)
    json.push_back(
        {{"plugin", call.plugin}, {"method", call.method}, {"arguments", call.arguments}});
  return {key, json.dump()};
}

std::vector<std::pair<std::string, OwedCalls>> load_owed(Store& store) {
  std::vector<std::pair<std::string, OwedCalls>> all;
  for (const Entry& entry : store.list(std::string(prefix)))
    if (OwedCalls calls = from_text(entry.value); !calls.empty())
      all.emplace_back(entry.key.substr(prefix.size()), std::move(calls));
  std::ranges::stable_partition(all,
                                [](const auto& entry) { return !is_of_network(entry.second); });
  return all;
}

void drop_owed(Store& store) {
  for (auto& [id, calls] : load_owed(store)) {
    std::erase_if(calls, [](const OwedCall& call) { return call.plugin != cluster_store; });
    store.txn({}, {owed_change(id, calls)}, Durability::process);
  }
}

}  // namespace netd
