#include "netd/overlays.h"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "drivers/overlay.h"
#include "netd/log.h"
#include "netd/overlay_reading.h"
#include "sandbox/transition.h"

namespace netd {
Overlays::Overlays(Controller::State& state, cluster::Keys keys, Self self, Follow follow,
                   cluster::Memory& memory)
    : state_(state),
      keys_(std::move(keys)),
      self_(std::move(self)),
      follow_(std::move(follow)),
      memory_(memory),
      encryption_(state.store, state.kernel, self_.host) {
  resume();
  recall();
}

void Overlays::begin() {
  for (auto& [id, network] : followed_) {
    move_tunnel(id);
    network.mirror = mirror_of(id);
  }
  host_mirror_ =
      follow_(keys_.hosts(),
              {.replaced = [this](const Snapshot& snapshot,
                                  bool confirmed) { return take_hosts(snapshot, confirmed); },
               .changed = [this](const Watched& w) { change_host(w); },
               .progressed = [this](Revision r) { revision_ = r; }});
  network_mirror_ =
      follow_(keys_.networks(),
              {.replaced = [this](const Snapshot& snapshot,
                                  bool confirmed) { return take_networks(snapshot, confirmed); },
               .changed = [this](const Watched& w) { change_network(w); },
               .progressed = [this](Revision r) { revision_ = r; }});
  begun_ = true;
}

/// What was up when netd ended is up; it is followed again. What was admitted stays so until the
/// hosts are known.
void Overlays::resume() {
  for (const sandbox::Element& element : admitted_hosts(state_.store)) {
    if (element == drivers::tunnel_port(self_.port)) guarded_ = true;
    if (const auto* vtep = std::get_if<ipam::Address>(&element.key.front()))
      admitted_.insert(*vtep);
  }
  std::vector<std::string> unused, used;
  for (const NetworkRecord* record : state_.records.networks()) {
    if (record->network.driver != overlay_driver || record->progress.plan.empty()) continue;
    if (state_.records.endpoints_of_network(record->network.id).empty())
      unused.push_back(record->network.id);
    else
      used.push_back(record->network.id);
  }
  for (const std::string& id : unused)
    bring_down_if_unused(id);
  resume_encryption(std::ranges::any_of(used, [&](const std::string& id) {
    return drivers::overlay_is_encrypted(state_.records.network(id)->network.options);
  }));
  for (const std::string& id : used) {
    serve_names(*state_.records.network(id));
    follow(*state_.records.network(id), [] {});
  }
}

/// This host's tunnels end elsewhere since netd was started anew.
void Overlays::move_tunnel(const std::string& network_id) {
  NetworkRecord record = *state_.records.network(network_id);
  const drivers::Tunnel before = *record.network.tunnel;
  place_tunnel(record);
  if (*record.network.tunnel == before) return;
  record.progress.plan = state_.driver_of(record).network_plan(record.network);
  try {
    Work work(state_.store, state_.kernel, state_.records);
    work.change(record);
    work.commit(Durability::power);
  } catch (const std::exception& error) {
    log::error("a network's tunnel can't be moved to this host's new address",
               {{"network", record.network.name}, {"error", error.what()}});
  }
}

/// Where its end is on this host.
void Overlays::place_tunnel(NetworkRecord& record) const {
  drivers::Tunnel& tunnel = *record.network.tunnel;
  tunnel.local = self_.vtep;
  tunnel.port = self_.port;
  if (!drivers::overlay_is_encrypted(record.network.options) || !encryption_.identity()) return;
  tunnel.local = encryption_.identity()->inside;
  tunnel.port = encrypted_port(self_.port);
}

// --- networks

bool Overlays::take_networks(const Snapshot& snapshot, bool confirmed) {
  std::set<std::string> there;
  for (const Entry& entry : snapshot.entries)
    if (const auto id = keys_.parse_network(entry.key)) there.insert(*id);
  std::vector<std::string> gone;
  std::size_t known = 0;
  for (const NetworkRecord* record : state_.records.networks()) {
    if (record->network.driver != overlay_driver) continue;
    ++known;
    if (!there.contains(record->network.id)) gone.push_back(record->network.id);
  }
  if (!confirmed && is_suspicious(gone.size(), known)) {
    log::warn("most of the cluster's networks seem to be removed: looking once more",
              {{"gone", std::to_string(gone.size())}, {"known", std::to_string(known)}});
    return false;
  }
  networks_told_ = true;
  networks_.clear();
  unusable_.clear();
  for (const std::string& id : gone)
    forget(id);
  for (const Entry& entry : snapshot.entries)
    if (const auto id = keys_.parse_network(entry.key)) take_network(*id, entry.value);
  revision_ = snapshot.revision;
  return true;
}

void Overlays::take_network(const std::string& id, const std::string& text) {
  if (const auto network = read_value<cluster::Network>(keys_.network(id), text)) learn(*network);
}

void Overlays::change_network(const Watched& watched) {
  revision_ = watched.revision;
  const auto id = keys_.parse_network(watched.change.key);
  if (!id) return;
  if (watched.change.value)
    take_network(*id, *watched.change.value);
  else
    forget(*id);
}

void Overlays::learn(const cluster::Network& network) {
  networks_[network.id] = network;
  unusable_.erase(network.id);
  if (state_.records.network(network.id)) return;
  if (state_.records.find_network(network.name).by_name > 0) {
    unusable_[network.id] =
        fmt::format("this host has a network of its own with the name {}: remove it", network.name);
    log::warn("a network of the cluster can't be used here",
              {{"network", network.name}, {"reason", unusable_[network.id]}});
    return;
  }
  NetworkRecord record;
  drivers::Network& own = record.network;
  own.id = network.id;
  own.name = network.name;
  own.driver = overlay_driver;
  own.ipv4 = network.ipv4;
  own.ipv6 = network.ipv6;
  own.internal = network.internal;
  own.options = network.options;
  // Chosen by the cluster, and what one wants to see of it.
  own.options.try_emplace(std::string(drivers::option_vxlan_ids), std::to_string(network.vni));
  own.options.try_emplace(std::string(drivers::option_mtu), std::to_string(network.mtu));
  own.pools = network.pools;
  own.tunnel = drivers::Tunnel{.link = drivers::overlay_vxlan(network.vni),
                               .index = state_.make_link_index(),
                               .mac = state_.make_mac(),
                               .vni = network.vni,
                               .port = self_.port,
                               .local = self_.vtep,
                               .mtu = network.mtu};
  own.link_name = drivers::overlay_bridge(network.vni);
  own.link_index = state_.make_link_index();
  own.link_mac = state_.make_mac();
  record.created_nano = network.created_nano;
  record.scope = "global";
  record.attachable = network.attachable;
  record.labels = network.labels;
  record.progress.state = State::joined;
  state_.write(record);
  state_.names.open_network(own);
  state_.publish_event("create", record);
}

void Overlays::forget(const std::string& network_id) {
  networks_.erase(network_id);
  unusable_.erase(network_id);
  const NetworkRecord* record = state_.records.network(network_id);
  if (!record || record->network.driver != overlay_driver) return;
  if (!state_.records.endpoints_of_network(network_id).empty()) {
    log::warn(
        "a network was removed from the cluster, but has endpoints here: it stays until they have "
        "left",
        {{"network", record->network.name}});
    return;
  }
  try {
    unfollow(network_id);
    stop_serving(*record);
    state_.remove_network(*record);
    bring_down_encryption_if_unused();
  } catch (const std::exception& error) {
    log::warn("a network that is gone from the cluster is not wholly gone from here",
              {{"error", error.what()}});
  }
}

// --- joining

void Overlays::bring_up(const std::string& network_id, std::function<void()> ready) {
  const NetworkRecord* found = state_.records.network(network_id);
  if (!found) throw Error(ErrorKind::not_found, "the network was removed from the cluster");
  NetworkRecord record = *found;
  const drivers::Tunnel& tunnel = *record.network.tunnel;
  const std::uint32_t overhead = drivers::overlay_overhead(record.network, self_.vtep.family());
  const std::uint32_t needed = tunnel.mtu + overhead;
  if (needed > self_.mtu)
    throw Error(
        ErrorKind::conflict,
        fmt::format("network {} has an MTU of {}, for which this host's link to the others "
                    "needs one of {}; it has {}: raise it, or make the network with -o "
                    "com.docker.network.driver.mtu={}",
                    record.network.name, tunnel.mtu, needed, self_.mtu, self_.mtu - overhead));
  if (drivers::overlay_is_encrypted(record.network.options)) bring_up_encryption();
  if (record.progress.plan.empty()) {
    place_tunnel(record);
    record.progress.plan = state_.driver_of(record).network_plan(record.network);
    Work work(state_.store, state_.kernel, state_.records);
    work.change(record);
    work.commit(Durability::power);
    unfollow(network_id);  // of links that were there before
  } else {
    // Somebody may have deleted them, and the tables with them.
    const auto up = followed_.find(network_id);
    if (repair_links(network_id) > 0 && up != followed_.end() && up->second.programmed)
      note(up->second.table->audit(), up->second);
  }
  serve_names(record);
  follow(record, std::move(ready));
}

void Overlays::bring_down_if_unused(const std::string& network_id) {
  const NetworkRecord* found = state_.records.network(network_id);
  if (!found || found->network.driver != overlay_driver ||
      !state_.records.endpoints_of_network(network_id).empty())
    return;
  unfollow(network_id);
  stop_serving(*found);
  if (networks_told_ && !networks_.contains(network_id)) return forget(network_id);
  if (found->progress.plan.empty()) return bring_down_encryption_if_unused();
  NetworkRecord record = *found;
  record.progress.plan.clear();
  try {
    Work work(state_.store, state_.kernel, state_.records);
    work.change(record);
    for (const std::string& failure : work.commit(Durability::power))
      log::warn("an overlay network's links are not wholly gone", {{"error", failure}});
    bring_down_encryption_if_unused();
  } catch (const std::exception& error) {
    log::warn("an overlay network's links stay, later again",
              {{"network", record.network.name}, {"error", error.what()}});
  }
}

std::vector<ipam::Address> Overlays::taken(const std::string& network_id) const {
  std::vector<ipam::Address> taken;
  const auto add = [&](const auto& endpoint) {
    for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
      if (address) taken.push_back(address->address);
  };
  if (const auto followed = followed_.find(network_id); followed != followed_.end())
    for (const auto& [id, endpoint] : followed->second.remote)
      add(endpoint);
  for (const EndpointRecord* record : state_.records.endpoints_of_network(network_id))
    add(record->endpoint);
  return taken;
}

// --- audit

std::vector<std::string> attach_ports(sandbox::Kernel& kernel,
                                      const std::vector<const EndpointRecord*>& endpoints) {
  std::vector<std::string> failures;
  for (const EndpointRecord* endpoint : endpoints) {
    const std::uint32_t own = endpoint->endpoint.host_index;
    try {
      for (const sandbox::Step& step : endpoint->progress.plan) {
        const auto* link = std::get_if<sandbox::SetLink>(&step);
        const auto* port = std::get_if<sandbox::SetBridgePort>(&step);
        const auto* entry = std::get_if<sandbox::AddFdbEntry>(&step);
        if ((link && link->netns.empty() && link->index == own) || (port && port->index == own) ||
            (entry && entry->index == own))
          kernel.apply(step);
      }
    } catch (const std::exception& error) {
      failures.push_back(error.what());
    }
  }
  return failures;
}

/// Links that somebody deleted or changed are made again, and the ports of this host's endpoints
/// with them.
std::size_t Overlays::repair_links(const std::string& network_id) {
  const NetworkRecord& record = *state_.records.network(network_id);
  const sandbox::Plan broken = sandbox::out_of_place(state_.kernel, record.progress.plan);
  if (!broken.empty()) {
    log::warn("an overlay network's links were changed or deleted: they are made again",
              {{"network", record.network.name}});
    loose_.insert(network_id);
    sandbox::transition(state_.kernel, broken, {});
    sandbox::transition(state_.kernel, {}, broken);
  }
  if (!loose_.contains(network_id)) return 0;
  serve_names(record);
  const auto failures =
      attach_ports(state_.kernel, state_.records.endpoints_of_network(network_id));
  if (failures.empty()) loose_.erase(network_id);
  for (const std::string& failure : failures)
    log::warn("an endpoint is not in its bridge, the next look round tries again",
              {{"network", record.network.name}, {"error", failure}});
  return broken.size();
}

void Overlays::learn_missing() {
  const auto known = networks_;
  for (const auto& [id, network] : known)
    if (!state_.records.network(id)) learn(network);
}

std::size_t Overlays::audit() {
  std::size_t repaired = 0;
  std::vector<std::string> gone;
  for (const auto& [id, network] : followed_)
    if (!state_.records.network(id)) gone.push_back(id);
  for (const std::string& id : gone)
    unfollow(id);
  for (auto& [id, network] : followed_) {
    if (!network.programmed) continue;
    try {
      repaired += repair_links(id);
      const sandbox::PeerReport report = network.table->audit();
      repaired += report.changed;
      note(report, network);
    } catch (const std::exception& error) {
      log::warn("an overlay network could not be looked through",
                {{"network", log::short_id(id)}, {"error", error.what()}});
    }
  }
  try {
    repaired += encryption_.audit();
  } catch (const std::exception& error) {
    log::warn("encrypted tunnels could not be looked through, later again",
              {{"error", error.what()}});
  }
  learn_missing();
  if (repaired > 0)
    log::warn("what others changed in the kernel's tables of overlay networks was put right",
              {{"entries", std::to_string(repaired)}});
  repaired_ += repaired;
  return repaired;
}

}  // namespace netd
