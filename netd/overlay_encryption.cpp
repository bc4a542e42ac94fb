// What encrypted networks need besides: a link that encrypts, and the hosts behind it as its peers.
#include <algorithm>

#include "drivers/overlay.h"
#include "netd/log.h"
#include "netd/overlays.h"

namespace netd {

bool Overlays::needs_key() const {
  return std::ranges::any_of(networks_, [](const auto& network) {
    return drivers::overlay_is_encrypted(network.second.options);
  });
}

void Overlays::bring_up_encryption() {
  if (!encryption_.identity())
    throw Error(ErrorKind::unavailable, "this host has no key for encrypted networks yet");
  encryption_.bring_up(self_.mtu, self_.vtep.family(), encrypted_port(self_.port));
}

void Overlays::bring_down_encryption_if_unused() {
  const auto uses_it = [](const NetworkRecord* record) {
    return record->network.driver == overlay_driver && !record->progress.plan.empty() &&
           drivers::overlay_is_encrypted(record->network.options);
  };
  if (std::ranges::any_of(state_.records.networks(), uses_it)) return;
  encryption_.bring_down();
}

/// The hosts that have endpoints on encrypted networks that are up here, too.
void Overlays::encrypt() {
  if (!encryption_.is_up() || !hosts_told_) return;
  std::map<std::string, cluster::HostInfo> wanted;
  for (const auto& [id, network] : followed_) {
    if (!network.encrypted) continue;
    if (!network.told) return;  // with less, right peers would go
    for (const auto& [endpoint_id, endpoint] : network.remote) {
      if (wanted.contains(endpoint.host)) continue;
      const auto host = hosts_.find(endpoint.host);
      if (host != hosts_.end() && host->second.info)
        wanted.emplace(endpoint.host, *host->second.info);
    }
  }
  encryption_.assign(std::move(wanted));
}

void Overlays::move_encrypted_tunnels() {
  for (const auto& [id, network] : followed_)
    if (network.encrypted && state_.records.network(id)) move_tunnel(id);
}

/// Without that link encrypted networks are silent: it is not left to the next look round.
void Overlays::links_changed(const sandbox::LinkNotices& notices) {
  const auto is_it = [&](const sandbox::LinkChange& change) {
    return change.name == encryption_.link_name();
  };
  if (!encryption_.is_up() || !(notices.lost || std::ranges::any_of(notices.changes, is_it)))
    return;
  try {
    const std::size_t repaired = encryption_.audit();
    if (repaired == 0) return;
    repaired_ += repaired;
    log::warn("the link that encrypts was changed or deleted: it is as it should be again",
              {{"link", encryption_.link_name()}});
  } catch (const std::exception& error) {
    log::error("the link that encrypts is gone: encrypted networks are silent",
               {{"link", encryption_.link_name()}, {"error", error.what()}});
  }
}

}  // namespace netd
