// The endpoints of other hosts, on the networks that are up on this one.
#include <algorithm>
#include <utility>

#include "drivers/overlay.h"
#include "netd/overlay_reading.h"
#include "netd/overlays.h"

namespace netd {
namespace {

dns::Host dns_host(const cluster::Endpoint& endpoint) {
  dns::Host host{.endpoint_id = endpoint.id, .names = endpoint.names};
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address) host.addresses.push_back(address->address);
  return host;
}

}  // namespace

cluster::Endpoint in_cluster(const EndpointRecord& record, const std::string& host) {
  return {.id = record.endpoint.id,
          .network = record.network_id,
          .host = host,
          .mac = record.endpoint.mac,
          .ipv4 = record.endpoint.ipv4,
          .ipv6 = record.endpoint.ipv6,
          .names = record.dns_names,
          .token = record.remote.claim};
}

void Overlays::follow(const NetworkRecord& record, std::function<void()> ready) {
  const std::string id = record.network.id;
  const auto [place, is_new] = followed_.try_emplace(id);
  Followed& network = place->second;
  if (network.programmed) return ready();
  network.waiting.push_back(std::move(ready));
  if (!is_new) return;
  network.encrypted = drivers::overlay_is_encrypted(record.network.options);
  network.table = std::make_unique<sandbox::PeerTable>(
      state_.kernel.peers(),
      sandbox::PeerLinks{.bridge = record.network.link_index,
                         .vxlan = record.network.tunnel->index},
      drivers::overlay_floods(record.network));
  if (begun_) network.mirror = mirror_of(id);
}

std::unique_ptr<cluster::Mirror> Overlays::mirror_of(const std::string& id) {
  return follow_(
      keys_.endpoints(id),
      {.replaced = [this, id](const Snapshot& snapshot,
                              bool confirmed) { return take_endpoints(id, snapshot, confirmed); },
       .changed = [this, id](const Watched& w) { change_endpoint(id, w); }});
}

/// Neither its names nor what is remembered of it outlast it.
void Overlays::unfollow(const std::string& network_id) {
  const auto followed = followed_.find(network_id);
  if (followed == followed_.end()) return;
  for (const auto& [id, endpoint] : followed->second.remote) {
    state_.names.withdraw(network_id, id);
    memory_.note(keys_.endpoint(network_id, endpoint.host, id), std::nullopt);
  }
  followed_.erase(followed);
}

/// What was heard last: names and addresses of other hosts' endpoints, and who these hosts are.
void Overlays::recall() {
  for (const Entry& entry : memory_.recall()) {
    if (keys_.parse_host(entry.key)) {
      note_host(entry.key, entry.value);
      continue;
    }
    const auto key = keys_.parse_endpoint(entry.key);
    const auto network = key ? followed_.find(key->network) : followed_.end();
    auto endpoint = network == followed_.end()
                        ? std::nullopt
                        : read_value<cluster::Endpoint>(entry.key, entry.value);
    if (!endpoint) {
      memory_.note(entry.key, std::nullopt);
      continue;
    }
    state_.names.publish(key->network, dns_host(*endpoint));
    network->second.remote.insert_or_assign(key->endpoint, std::move(*endpoint));
  }
}

bool Overlays::is_stale() const {
  if (!hosts_told_ && !hosts_.empty()) return true;
  return std::ranges::any_of(followed_, [](const auto& network) {
    return !network.second.told && !network.second.remote.empty();
  });
}

/// Nothing: no way to its host is known, or none that is encrypted where that has to be.
std::optional<sandbox::Peer> Overlays::peer_of(const Followed& network,
                                               const cluster::Endpoint& endpoint) const {
  const auto host = hosts_.find(endpoint.host);
  if (host == hosts_.end() || !host->second.info) return std::nullopt;
  const cluster::HostInfo& info = *host->second.info;
  if (network.encrypted && !info.encryption) return std::nullopt;
  return sandbox::Peer{.mac = endpoint.mac,
                       .addresses = dns_host(endpoint).addresses,
                       .vtep = network.encrypted ? info.encryption->inside : info.vtep};
}

bool Overlays::take_endpoints(const std::string& network_id, const Snapshot& snapshot,
                              bool confirmed) {
  Followed& network = followed_.at(network_id);
  std::map<std::string, cluster::Endpoint> remote;
  for (const Entry& entry : snapshot.entries) {
    const auto key = keys_.parse_endpoint(entry.key);
    if (!key || key->host == self_.host) continue;
    if (auto endpoint = read_value<cluster::Endpoint>(entry.key, entry.value))
      remote.insert_or_assign(key->endpoint, std::move(*endpoint));
  }
  const auto gone = static_cast<std::size_t>(std::ranges::count_if(
      network.remote, [&](const auto& known) { return !remote.contains(known.first); }));
  if (!confirmed && is_suspicious(gone, network.remote.size())) {
    log::warn(
        "most endpoints of a network seem to be gone: looking once more before any is removed",
        {{"network", log::short_id(network_id)}, {"gone", std::to_string(gone)}});
    return false;
  }
  for (const auto& [id, endpoint] : network.remote) {
    if (remote.contains(id)) continue;
    state_.names.withdraw(network_id, id);
    memory_.note(keys_.endpoint(network_id, endpoint.host, id), std::nullopt);
  }
  for (const Entry& entry : snapshot.entries) {
    const auto key = keys_.parse_endpoint(entry.key);
    const auto now = key ? remote.find(key->endpoint) : remote.end();
    if (now == remote.end()) continue;
    const auto known = network.remote.find(key->endpoint);
    if (known != network.remote.end() && known->second == now->second) continue;
    state_.names.publish(network_id, dns_host(now->second));
    memory_.note(entry.key, entry.value);
  }
  network.remote = std::move(remote);
  network.told = true;
  program(network);
  return true;
}

/// Makes the kernel's table what is known, once endpoints and their hosts are: with less, right
/// entries would go. Who waits for the network goes on then.
void Overlays::program(Followed& network) {
  if (!network.told || !hosts_told_) return;
  if (network.encrypted) encrypt();
  std::vector<std::pair<std::string, sandbox::Peer>> peers;
  for (const auto& [id, endpoint] : network.remote)
    if (auto peer = peer_of(network, endpoint)) peers.emplace_back(id, std::move(*peer));
  note(network.table->assign(peers), network);
  network.programmed = true;
  for (const auto& ready : std::exchange(network.waiting, {}))
    ready();
}

void Overlays::change_endpoint(const std::string& network_id, const Watched& watched) {
  Followed& network = followed_.at(network_id);
  const auto key = keys_.parse_endpoint(watched.change.key);
  if (!key || key->host == self_.host) return;
  memory_.note(watched.change.key, watched.change.value);
  if (!watched.change.value) return drop(network, network_id, key->endpoint);
  const auto endpoint = read_value<cluster::Endpoint>(watched.change.key, *watched.change.value);
  if (!endpoint) return;
  network.remote.insert_or_assign(key->endpoint, *endpoint);
  if (network.encrypted && !encryption_.knows(endpoint->host)) encrypt();
  put(network, *endpoint);
  state_.names.publish(network_id, dns_host(*endpoint));
}

void Overlays::put(Followed& network, const cluster::Endpoint& endpoint) {
  if (!network.programmed) return;
  const auto peer = peer_of(network, endpoint);
  note(peer ? network.table->put(endpoint.id, *peer) : network.table->erase(endpoint.id), network);
}

void Overlays::drop(Followed& network, const std::string& network_id,
                    const std::string& endpoint_id) {
  network.remote.erase(endpoint_id);
  state_.names.withdraw(network_id, endpoint_id);
  if (network.programmed) note(network.table->erase(endpoint_id), network);
  if (network.encrypted) encrypt();
}

void Overlays::note(const sandbox::PeerReport& report, const Followed& network) {
  for (const std::string& failure : report.failures)
    log::warn(
        "an endpoint of another host is not in the kernel as it should be, the next audit tries "
        "again",
        {{"error", failure}});
  sandbox::announce(state_.kernel, network.table->links(), report.moved);
}

std::vector<Overlays::Remote> Overlays::remote_endpoints(const std::string& network_id) const {
  std::vector<Remote> all;
  const auto followed = followed_.find(network_id);
  if (followed == followed_.end()) return all;
  for (const auto& [id, endpoint] : followed->second.remote)
    all.push_back({endpoint, peer_of(followed->second, endpoint).has_value()});
  return all;
}

const sandbox::PeerTable* Overlays::table(const std::string& network_id) const {
  const auto followed = followed_.find(network_id);
  return followed == followed_.end() ? nullptr : followed->second.table.get();
}

}  // namespace netd
