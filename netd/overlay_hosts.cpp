// The hosts of the cluster: who may send to this one, who is live.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "drivers/overlay.h"
#include "netd/overlay_reading.h"
#include "netd/overlays.h"
#include "netd/value_json.h"

namespace netd {
namespace {

constexpr const char* admitted_key = "cluster/admitted";

}  // namespace

std::vector<sandbox::Element> admitted_hosts(Store& store) {
  std::vector<sandbox::Element> elements;
  const auto entry = store.get(admitted_key);
  if (!entry) return elements;
  const auto json = nlohmann::json::parse(entry->value, nullptr, false);
  if (!json.is_object()) return elements;
  if (const auto port = json.value("port", 0); port > 0 && port <= UINT16_MAX)
    elements.push_back(drivers::tunnel_port(static_cast<std::uint16_t>(port)));
  for (const std::string& text : json.value("hosts", std::vector<std::string>()))
    if (const auto address = ipam::Address::parse(text))
      elements.push_back(drivers::tunnel_host(*address));
  return elements;
}

std::vector<sandbox::Element> cluster_elements(Store& store, sandbox::Kernel& kernel) {
  auto elements = admitted_hosts(store);
  std::optional<std::uint16_t> port;
  for (const sandbox::Element& element : elements)
    if (const auto* number = std::get_if<sandbox::PortNumber>(&element.key.front()))
      port = number->number;
  std::ranges::move(encryption_elements(store, kernel, port), std::back_inserter(elements));
  return elements;
}

bool Overlays::take_hosts(const Snapshot& snapshot, bool confirmed) {
  auto before = std::exchange(hosts_, {});
  for (const Entry& entry : snapshot.entries)
    note_host(entry.key, entry.value);
  const auto gone = static_cast<std::size_t>(std::ranges::count_if(
      before, [&](const auto& host) { return !hosts_.contains(host.first); }));
  if (!confirmed && is_suspicious(gone, before.size())) {
    log::warn("most hosts of the cluster seem to be gone: looking once more",
              {{"gone", std::to_string(gone)}});
    hosts_ = std::move(before);
    return false;
  }
  std::set<std::string> moved;
  for (auto& [id, host] : hosts_) {
    moved.insert(id);
    remember(id, before);
    // One that was live until now is away since now, whatever was missed in between.
    if (const auto old = before.find(id); old != before.end() && !host.live)
      host.seen = old->second.live ? host.seen : old->second.seen;
  }
  for (const auto& [id, host] : before) {
    moved.insert(id);
    say_change(id, host.live);
    if (host.info && !hosts_.contains(id)) memory_.note(keys_.host_info(id), std::nullopt);
  }
  revision_ = snapshot.revision;
  hosts_told_ = true;
  hosts_changed(moved);
  for (auto& [network_id, network] : followed_)
    if (!network.programmed) program(network);
  return true;
}

/// Where a host's tunnels end outlasts netd; whether it is live does not.
void Overlays::remember(const std::string& id, const std::map<std::string, Host>& before) {
  const auto& now = hosts_.at(id).info;
  const auto known = before.find(id);
  if (known != before.end() ? known->second.info == now : !now) return;
  memory_.note(keys_.host_info(id), now ? std::optional(to_text(*now)) : std::nullopt);
}

void Overlays::change_host(const Watched& watched) {
  revision_ = watched.revision;
  const auto key = keys_.parse_host(watched.change.key);
  if (!key) return;
  const auto known = hosts_.find(key->host);
  const bool was_live = known != hosts_.end() && known->second.live;
  note_host(watched.change.key, watched.change.value);
  say_change(key->host, was_live);
  if (key->what != "info") return;
  memory_.note(watched.change.key, watched.change.value);
  hosts_changed({key->host});
}

void Overlays::say_change(const std::string& id, bool was_live) const {
  const auto host = hosts_.find(id);
  const bool live = host != hosts_.end() && host->second.live;
  if (id == self_.host || live == was_live) return;
  log::info(live ? "a host of the cluster is live" : "a host of the cluster is unreachable",
            {{"host", id}, {"name", live && host->second.info ? host->second.info->name : ""}});
}

/// A new host, and one that is live or was until now, was seen now.
void Overlays::note_host(const std::string& key, const std::optional<std::string>& value) {
  const auto parsed = keys_.parse_host(key);
  if (!parsed) return;
  const auto [place, is_new] = hosts_.try_emplace(parsed->host);
  Host& host = place->second;
  if (is_new || parsed->what == "live") host.seen = std::chrono::steady_clock::now();
  if (parsed->what == "info")
    host.info = value ? read_value<cluster::HostInfo>(key, *value) : std::nullopt;
  if (parsed->what == "dead") {
    host.given_up = value.has_value();
    host.given_up_at = std::chrono::steady_clock::now();
  }
  if (parsed->what == "live") host.live = value.has_value();
}

/// Their VTEPs may be others, new, or gone: what is at these hosts is programmed anew.
void Overlays::hosts_changed(const std::set<std::string>& moved) {
  std::erase_if(hosts_, [](const auto& host) {
    return !host.second.info && !host.second.live && !host.second.given_up;
  });
  admit_hosts();
  encrypt();
  for (auto& [network_id, network] : followed_)
    for (const auto& [id, endpoint] : network.remote)
      if (moved.contains(endpoint.host)) put(network, endpoint);
}

/// Only members of the cluster may send into its networks.
void Overlays::admit_hosts() {
  std::set<ipam::Address> wanted;
  for (const auto& [id, host] : hosts_)
    if (id != self_.host && host.info) wanted.insert(host.info->vtep);
  sandbox::AddElements added, removed;
  if (!guarded_) added.elements.push_back(drivers::tunnel_port(self_.port));
  for (const ipam::Address& vtep : wanted)
    if (!admitted_.contains(vtep)) added.elements.push_back(drivers::tunnel_host(vtep));
  for (const ipam::Address& vtep : admitted_)
    if (!wanted.contains(vtep)) removed.elements.push_back(drivers::tunnel_host(vtep));
  const nlohmann::json kept = {{"port", self_.port},
                               {"hosts", std::vector<ipam::Address>(wanted.begin(), wanted.end())}};
  try {
    if (!added.elements.empty() || !removed.elements.empty() || !state_.store.get(admitted_key))
      state_.store.txn({}, {{admitted_key, kept.dump()}}, Durability::process);
    if (!added.elements.empty()) state_.kernel.apply(added);
    if (!removed.elements.empty()) state_.kernel.revert(removed);
    admitted_ = std::move(wanted);
    guarded_ = true;
  } catch (const std::exception& error) {
    log::error("the list of hosts that may send to this one is not up to date",
               {{"error", error.what()}});
  }
}

std::map<ipam::Address, std::size_t> Overlays::paths() const {
  std::map<ipam::Address, std::size_t> paths;
  for (const auto& [id, network] : followed_) {
    const NetworkRecord* record = state_.records.network(id);
    if (!record || !network.programmed) continue;
    const drivers::Tunnel& tunnel = *record->network.tunnel;
    const std::size_t bytes =
        tunnel.mtu + drivers::overlay_overhead(record->network, self_.vtep.family());
    std::unordered_set<std::string_view> there;
    for (const auto& [endpoint_id, endpoint] : network.remote)
      there.insert(endpoint.host);
    for (const std::string_view host_id : there) {
      const auto host = hosts_.find(std::string(host_id));
      if (host == hosts_.end() || !host->second.info) continue;
      std::size_t& most = paths[host->second.info->vtep];
      most = std::max(most, bytes);
    }
  }
  return paths;
}

/// All live hosts see the same host die, and one is enough to give it up: the others wait for a
/// while, and longer the later they come.
std::chrono::seconds Overlays::turn() const {
  constexpr std::chrono::seconds step{5}, longest{60};
  const auto earlier = std::ranges::count_if(
      hosts_, [&](const auto& host) { return host.second.live && host.first < self_.host; });
  return std::min(earlier * step, longest);
}

std::vector<std::string> Overlays::hosts_to_give_up(std::chrono::seconds after) const {
  std::vector<std::string> ids;
  if (!hosts_told_) return ids;
  constexpr std::chrono::seconds begun_elsewhere{10};  // who began is at it, or died of it
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [id, host] : hosts_) {
    if (id == self_.host || host.live || !host.info) continue;
    const bool is_due = host.given_up ? now - host.given_up_at >= begun_elsewhere + turn()
                                      : after.count() > 0 && now - host.seen >= after + turn();
    if (is_due) ids.push_back(id);
  }
  return ids;
}

}  // namespace netd
