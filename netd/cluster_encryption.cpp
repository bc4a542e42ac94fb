// A host's keys as the others know them: published, changed, acknowledged. How a key is changed:
//
//     next      made, kept, published                           [rotate_key()]
//     expects   each other host adds it to its link, and says so in its own `host/<id>/info`
//     key       when all hosts expect it, it is used, and published as the key
//
// Nobody waits: until all hosts that are not given up have heard of it, the old key is used.
#include <algorithm>
#include <utility>

#include "netd/cluster_member.h"
#include "netd/controller_state.h"
#include "netd/curve_keys.h"
#include "netd/log.h"

namespace netd {
namespace {

/// The next keys that others are told to expect, by host.
std::map<std::string, std::string> next_keys(const Overlays& overlays) {
  std::map<std::string, std::string> keys;
  for (const auto& [id, host] : overlays.hosts())
    if (id != overlays.self().host && host.info && host.info->encryption &&
        !host.info->encryption->next.empty())
      keys[id] = host.info->encryption->next;
  return keys;
}

/// Whether the other hosts were told of `key`, and all that may have an encrypted tunnel to this
/// one expect it. One that isn't live could not act on it.
bool is_expected_by_all(const Overlays& overlays, const std::string& key) {
  const auto self = overlays.hosts().find(overlays.self().host);
  const bool told = self != overlays.hosts().end() && self->second.info &&
                    self->second.info->encryption && self->second.info->encryption->next == key;
  return told && std::ranges::all_of(overlays.hosts(), [&](const auto& host) {
           const auto& info = host.second.info;
           if (host.first == overlays.self().host || !info || !info->encryption) return true;
           const auto expected = info->expects.find(overlays.self().host);
           return host.second.live && expected != info->expects.end() && expected->second == key;
         });
}

}  // namespace

/// With place_mutex_. What fails is done again by look_after_keys().
void ClusterMember::publish() {
  published_ = false;
  encryption_ =
      has_key_ ? gate_.run([&] { return overlays_->encryption().published(); }) : std::nullopt;
  membership_->describe(describe(vtep_));
  published_ = true;
}

void ClusterMember::prepare_encryption() {
  ledger();  // throws before the first join
  const std::lock_guard lock(place_mutex_);
  if (has_key_ && encryption_ && encryption_->port == config_.wireguard_port) return;
  auto identity = gate_.run([&] {
    if (const std::string problem = controller_.state().kernel.wireguard().problem();
        !problem.empty())
      throw Error(ErrorKind::unavailable, "encrypted networks: " + problem);
    const Encryption& own = overlays_->encryption();
    if (!own.problem().empty()) throw Error(ErrorKind::unavailable, own.problem());
    return own.identity();
  });
  std::optional<ipam::Address> wish;
  if (identity)
    wish = identity->inside;
  else
    identity = Encryption::Identity{
        .key = make_private_key(), .next = {}, .inside = {}, .port = 0, .up = false};
  identity->port = config_.wireguard_port;
  identity->inside = membership_->claim_inside(inside_prefix(), wish);
  gate_.run([&] {
    overlays_->encryption().set_identity(*identity);
    if (wish && *wish != identity->inside) overlays_->move_encrypted_tunnels();
  });
  has_key_ = true;
  publish();
}

void ClusterMember::rotate_key() {
  prepare_encryption();
  const std::lock_guard lock(place_mutex_);
  gate_.run([&] {
    auto identity = *overlays_->encryption().identity();
    if (identity.next)
      throw Error(ErrorKind::conflict,
                  "this host's key is being changed already: it waits until all hosts know the new "
                  "one (netctl cluster status)");
    identity.next = make_private_key();
    overlays_->encryption().set_identity(identity);
  });
  publish();
  log::info("this host's key of encrypted networks is being changed");
}

/// What is wrong with keys makes the host no less a member: it is said once.
void ClusterMember::attempt_with_keys(const std::function<void()>& act) {
  try {
    act();
  } catch (const StoreError& error) {
    note_problem(error.what());
  } catch (const std::exception& error) {
    if (std::exchange(key_problem_, error.what()) != error.what())
      log::warn("encrypted networks: this host's part is not as it should be",
                {{"error", error.what()}});
  }
}

/// Every second. One matter doesn't stop the others: who does not acknowledge holds up others'
/// keys.
void ClusterMember::look_after_keys() {
  attempt_with_keys([&] {
    const bool needs_key = gate_.run([&] {
      return overlays_->needs_key() && overlays_->encryption().problem().empty() &&
             controller_.state().kernel.wireguard().problem().empty();
    });
    if (needs_key) prepare_encryption();
  });
  attempt_with_keys([&] { gate_.run([&] { overlays_->encryption().believe_keys_in_use(); }); });
  const std::lock_guard lock(place_mutex_);
  attempt_with_keys([&] { acknowledge_keys(); });
  attempt_with_keys([&] { use_next_key(); });
}

/// With place_mutex_. And what else of this host is not published yet.
void ClusterMember::acknowledge_keys() {
  auto next = gate_.run([&] { return next_keys(*overlays_); });
  if (next == expects_ && published_) return;
  expects_ = std::move(next);
  publish();
}

/// With place_mutex_.
void ClusterMember::use_next_key() {
  if (!has_key_ || !encryption_ || encryption_->next.empty()) return;
  const bool is_used = gate_.run([&] {
    if (!is_expected_by_all(*overlays_, encryption_->next)) return false;
    overlays_->encryption().use_next_key();
    return true;
  });
  if (!is_used) return;
  log::info("this host's key of encrypted networks is changed");
  publish();
}

}  // namespace netd
