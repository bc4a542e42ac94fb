// The way to the other hosts: the link that this host's tunnels are on, and what passes between.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "drivers/overlay.h"
#include "netd/cluster_member.h"
#include "netd/controller_state.h"
#include "netd/log.h"

namespace netd {
namespace {

/// Networks that are up here, and send packets that are too large for a link of that MTU.
std::vector<const NetworkRecord*> too_large(const Controller::State& state, const Vtep& vtep) {
  std::vector<const NetworkRecord*> networks;
  for (const NetworkRecord* record : state.records.networks())
    if (record->network.tunnel && state.overlays && state.overlays->is_up(record->network.id) &&
        record->network.tunnel->mtu +
                drivers::overlay_overhead(record->network, vtep.address.family()) >
            vtep.mtu)
      networks.push_back(record);
  return networks;
}

Finding too_large_for(const NetworkRecord& record, const Vtep& vtep) {
  const std::uint32_t needed =
      record.network.tunnel->mtu + drivers::overlay_overhead(record.network, vtep.address.family());
  return {.severity = "broken",
          .object = "link " + vtep.link,
          .network = record.network.name,
          .sandbox = "",
          .what = fmt::format("network {} needs an MTU of {} on this host's link {}, which has {}: "
                              "large packets are lost",
                              record.network.name, needed, vtep.link, vtep.mtu),
          .repair = fmt::format("ip link set {} mtu {}", vtep.link, needed)};
}

Finding too_small_there(const cluster::HostInfo& host, std::size_t bytes) {
  return {.severity = "broken",
          .object = "path to " + host.name,
          .network = "",
          .sandbox = "",
          .what = fmt::format("host {} ({}) has an MTU of {} on its link, and packets of {} bytes "
                              "are sent to it: they are lost",
                              host.name, host.vtep.to_string(), host.mtu, bytes),
          .repair = "raise it again on that host"};
}

Finding broken_path(const PathProbes::Result& result, const std::string& host) {
  return {.severity = "broken",
          .object = "path to " + host,
          .network = "",
          .sandbox = "",
          .what = fmt::format("packets of {} bytes don't pass to host {} ({}) whole, small ones "
                              "do: {}",
                              result.path.bytes, host, result.path.to.to_string(), result.problem),
          .repair =
              "raise the MTU of what is between the hosts, or make the networks anew with -o "
              "com.docker.network.driver.mtu=…"};
}

}  // namespace

void ClusterMember::links_changed(const sandbox::LinkNotices& notices) {
  if (notices.lost || std::ranges::any_of(notices.changes, [&](const sandbox::LinkChange& change) {
        return change.index == vtep_index_;
      }))
    underlay_changed_ = true;
}

/// A smaller MTU on the way to the other hosts swallows large packets without a word.
void ClusterMember::look_at_underlay() {
  const Vtep now = find_vtep(config_);
  if (now.address != vtep_.address)
    log::error("this host's end of tunnels is another now: start netd anew, or give it --vtep",
               {{"was", vtep_.address.to_string()}, {"is", now.address.to_string()}});
  if (now.mtu == vtep_.mtu || now.address != vtep_.address) return;
  log::warn(
      "the MTU of this host's link to the others changed",
      {{"link", now.link}, {"from", std::to_string(vtep_.mtu)}, {"to", std::to_string(now.mtu)}});
  const auto names = gate_.run([&] {
    std::vector<std::string> all;
    if (overlays_) overlays_->set_underlay_mtu(now.mtu);
    for (const NetworkRecord* record : too_large(controller_.state(), now))
      all.push_back(record->network.name);
    return all;
  });
  for (const std::string& name : names)
    log::error("large packets of this network are lost on this host: raise the link's MTU again",
               {{"network", name}, {"link", now.link}});
  const std::lock_guard place(place_mutex_);
  published_ = false;
  const std::lock_guard lock(mutex_);
  vtep_.mtu = now.mtu;
}

void ClusterMember::probe_paths() {
  std::vector<PathProbes::Path> paths;
  for (const auto& [to, bytes] : gate_.run([&] { return overlays_->paths(); }))
    if (bytes <= vtep_.mtu) paths.push_back({to, bytes});  // else it is this host's own link
  probes_.look(paths, PathProbes::Clock::now());
}

std::vector<Finding> ClusterMember::examine() const {
  std::vector<Finding> findings;
  if (!overlays_) return findings;
  const Vtep vtep = state().vtep;
  for (const NetworkRecord* record : too_large(controller_.state(), vtep))
    findings.push_back(too_large_for(*record, vtep));
  const auto paths = overlays_->paths();
  std::map<ipam::Address, std::string> names;
  for (const auto& [id, host] : overlays_->hosts()) {
    if (!host.info) continue;
    names[host.info->vtep] = host.info->name;
    const auto path = paths.find(host.info->vtep);
    if (path != paths.end() && host.info->mtu != 0 && host.info->mtu < path->second)
      findings.push_back(too_small_there(*host.info, path->second));
  }
  for (const PathProbes::Result& result : probes_.results())
    if (result.state == PathProbes::State::broken)
      findings.push_back(broken_path(result, names[result.path.to]));
  return findings;
}

}  // namespace netd
