#include "netd/cluster/membership.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "netd/cluster/ledger.h"

namespace netd::cluster {
namespace {

constexpr int most_tries = 10;

}  // namespace

Membership::Membership(Store& store, Keys keys, Options options)
    : store_(store),
      keys_(std::move(keys)),
      id_(options.host.id),
      options_(std::move(options)),
      nonce_(make_token()) {}

/// The first host writes what all of them then have in common.
Meta Membership::agree_on_meta(bool& founded) {
  auto entry = store_.get(keys_.meta());
  if (!entry) {
    if (!options_.known_cluster.empty())
      throw NotAMember(fmt::format(
          "the store has no cluster below {}, but this host is a member of {}: the store was "
          "emptied, or it is another one. Nothing is changed; restore its snapshot, or give this "
          "host a new state directory",
          keys_.prefix(), options_.known_cluster));
    Meta meta{.cluster = make_token(), .underlay = options_.host.vtep.family()};
    meta.vxlan_port = options_.vxlan_port.value_or(meta.vxlan_port);
    founded =
        store_.txn({{keys_.meta()}}, {{keys_.meta(), to_text(meta)}}, Durability::power).revision !=
        0;
    if (founded) return meta;
    entry = store_.get(keys_.meta());
    if (!entry) throw StoreError(StoreError::Kind::failed, "the cluster's settings come and go");
  }
  const auto meta = parse_value<Meta>(entry->value);
  if (!options_.known_cluster.empty() && meta.cluster != options_.known_cluster)
    throw NotAMember(fmt::format(
        "the store has cluster {}, but this host is a member of {}: it is another store, or "
        "another --cluster-prefix. Nothing is changed; correct that, or give this host a new state "
        "directory",
        meta.cluster, options_.known_cluster));
  if (options_.vxlan_port && *options_.vxlan_port != meta.vxlan_port)
    throw NotAMember(fmt::format("--vxlan-port {}: this cluster uses {}", *options_.vxlan_port,
                                 meta.vxlan_port));
  if (meta.underlay != options_.host.vtep.family())
    throw NotAMember(fmt::format(
        "--vtep {}: this cluster's tunnels run over {}: choose such an address",
        options_.host.vtep.to_string(), meta.underlay == ipam::Family::v4 ? "IPv4" : "IPv6"));
  return meta;
}

/// Two live hosts with one tunnel address would both get what is meant for one of them.
void Membership::check_tunnel_address() const {
  std::map<std::string, HostInfo> infos;
  std::set<std::string> live;
  for (const Entry& entry : store_.list(keys_.hosts())) {
    const auto key = keys_.parse_host(entry.key);
    if (!key || key->host == id_) continue;
    if (key->what == "live") live.insert(key->host);
    if (key->what == "info") from_text(entry.value, infos[key->host]);
  }
  for (const auto& [host, info] : infos)
    if (info.vtep == options_.host.vtep && live.contains(host))
      throw NotAMember(fmt::format(
          "{} is the tunnel address of host {} ({}) already, which is live: give this one its own "
          "(--vtep)",
          info.vtep.to_string(), info.name, host.substr(0, 12)));
}

void Membership::check_clone(const std::optional<Entry>& live) const {
  if (!live) return;
  const auto other = parse_value<HostLive>(live->value);
  if (other.nonce == nonce_ || other.boot == options_.host.boot) return;
  throw NotAMember(fmt::format(
      "another host with the id {} is live in the cluster: this machine is a copy of it? Give this "
      "one a new state directory; if it is the same machine, just booted, this passes in {} s",
      id_, lease_time.count()));
}

Membership::Joined Membership::join() {
  const std::string& id = id_;
  Joined joined;
  joined.meta = agree_on_meta(joined.founded);
  options_.known_cluster = joined.meta.cluster;
  check_tunnel_address();
  for (int i = 0; i < most_tries; ++i) {
    const auto live = store_.get(keys_.host_live(id));
    check_clone(live);
    const auto dead = store_.get(keys_.host_dead(id));
    joined.was_given_up |= dead.has_value();
    const Lease lease = store_.grant(lease_time);
    std::vector<Compare> compares{{keys_.host_live(id), live ? live->revision : 0},
                                  {keys_.host_dead(id), dead ? dead->revision : 0}};
    std::vector<Change> changes{
        {keys_.host_info(id), to_text(options_.host)},
        {keys_.host_live(id), to_text(HostLive{nonce_, options_.host.boot}), lease}};
    if (dead) changes.push_back({keys_.host_dead(id), std::nullopt});
    HostInfo host = options_.host;
    joined.lost_inside = !keep_inside(host, compares, changes);
    changes.front().value = to_text(host);
    if (const Outcome outcome = store_.txn(compares, changes, Durability::power)) {
      const std::lock_guard lock(mutex_);
      lease_ = lease;
      live_revision_ = outcome.revision;
      joined_cluster_ = joined.meta.cluster;
      return joined;
    }
    store_.revoke(lease);
  }
  throw StoreError(StoreError::Kind::failed,
                   fmt::format("host {} can't join the cluster: another one joins as it", id));
}

/// The address inside encrypted tunnels stays this host's, unless somebody got it since this host
/// was given up: then false, and it says nothing of it.
bool Membership::keep_inside(HostInfo& host, std::vector<Compare>& compares,
                             std::vector<Change>& changes) {
  if (!host.encryption) return true;
  const std::string key = keys_.inside(host.encryption->inside);
  const auto holder = store_.get(key);
  if (holder && holder->value != id_) {
    host.encryption.reset();
    return false;
  }
  compares.push_back({key, holder ? holder->revision : 0});
  changes.push_back({key, id_});
  return true;
}

ipam::Address Membership::claim_inside(const ipam::Prefix& prefix,
                                       const std::optional<ipam::Address>& wish) {
  const std::uint64_t many = std::uint64_t{1} << (32 - prefix.length);
  // Hosts begin at different places, so that they are not in each other's way.
  const std::uint64_t first = std::hash<std::string>{}(id_);
  std::optional<ipam::Address> candidate = wish;
  for (std::uint64_t i = 0; i < many; ++i) {
    if (!candidate)
      candidate = ipam::Address::from_value(
          ipam::Family::v4, prefix.masked().address.value() + 1 + (first + i) % (many - 2));
    const std::string key = keys_.inside(*candidate);
    const auto holder = store_.get(key);
    if (holder && holder->value == id_) return *candidate;
    if (!holder && store_.txn({fence(), {key}}, {{key, id_}}, Durability::power)) return *candidate;
    candidate.reset();
  }
  throw std::runtime_error("all addresses of " + prefix.to_string() + " are taken by hosts");
}

void Membership::keep() {
  Lease lease = 0;
  {
    const std::lock_guard lock(mutex_);
    lease = lease_;
  }
  try {
    if (lease == 0) throw StoreError(StoreError::Kind::no_lease, "this host is not live");
    store_.keep_alive(lease);
    // Somebody may have deleted it, or all of the store.
    const auto live = store_.get(keys_.host_live(id_));
    if (!live || live->revision != fence().revision)
      throw StoreError(StoreError::Kind::no_lease, "this host's place in the cluster is gone");
  } catch (const StoreError& error) {
    if (error.kind == StoreError::Kind::no_lease) {
      const std::lock_guard lock(mutex_);
      live_revision_ = 0;
      lease_ = 0;
    }
    throw;
  }
}

void Membership::check_cluster() {
  const auto entry = store_.get(keys_.meta());
  const std::lock_guard lock(mutex_);
  if (!entry || parse_value<Meta>(entry->value).cluster != joined_cluster_)
    throw StoreError(StoreError::Kind::other_cluster,
                     fmt::format("the store has not cluster {} any more", joined_cluster_));
}

void Membership::leave() {
  Lease lease = 0;
  {
    const std::lock_guard lock(mutex_);
    lease = std::exchange(lease_, 0);
    live_revision_ = 0;
  }
  try {
    if (lease != 0) store_.revoke(lease);
  } catch (const StoreError&) {  // others see it when the lease runs out
  }
}

void Membership::describe(const HostInfo& host) {
  options_.host = host;
  if (!store_.txn({fence()}, {{keys_.host_info(host.id), to_text(host)}}, Durability::power))
    throw StoreError(StoreError::Kind::no_lease, "this host's place in the cluster is gone");
}

Compare Membership::fence() const {
  const std::lock_guard lock(mutex_);
  if (live_revision_ == 0)
    throw StoreError(StoreError::Kind::no_lease,
                     "this host is not a live member of the cluster at the moment");
  return {keys_.host_live(id_), live_revision_};
}

bool Membership::is_live() const {
  const std::lock_guard lock(mutex_);
  return live_revision_ != 0;
}

namespace {

/// The revision of the host's marker; 0: the host is live.
Revision mark_dead(Store& store, const Keys& keys, const std::string& host) {
  for (int i = 0; i < most_tries; ++i) {
    if (const auto marker = store.get(keys.host_dead(host))) return marker->revision;
    const auto info = store.get(keys.host_info(host));
    const Outcome outcome = store.txn({{keys.host_live(host)},
                                       {keys.host_dead(host)},
                                       {keys.host_info(host), info ? info->revision : 0}},
                                      {{keys.host_dead(host), make_token()}}, Durability::power);
    if (outcome) return outcome.revision;
    for (const Entry& found : outcome.found)
      if (found.key == keys.host_live(host)) return 0;
  }
  return 0;
}

/// Network by network: the endpoints of all other hosts aren't read along with them.
std::vector<Entry> endpoints_of(Store& store, const Keys& keys, const std::string& host) {
  std::vector<Entry> all;
  for (const Entry& network : store.list(keys.networks()))
    if (const auto id = keys.parse_network(network.key))
      std::ranges::move(store.list(keys.endpoint(*id, host, "")), std::back_inserter(all));
  return all;
}

}  // namespace

bool give_up_host(Store& store, const Keys& keys, const std::string& host) {
  const Revision marker = mark_dead(store, keys, host);
  if (marker == 0) return false;
  // Containers there may still run, and send: nobody else gets their addresses for a while.
  const Lease quarantine = store.grant(quarantine_time);
  const Compare still_dead{keys.host_dead(host), marker};
  std::vector<Compare> compares{still_dead};
  std::vector<Change> changes;
  // Others do the same at the same time, and what they struck out may be somebody's again: each
  // piece is done as a whole, or not.
  const auto strike_out = [&] {
    store.txn(compares, changes, Durability::power);
    compares = {still_dead};
    changes.clear();
  };
  for (const Entry& entry : endpoints_of(store, keys, host)) {
    Endpoint endpoint;
    try {
      from_text(entry.value, endpoint);
    } catch (const BadValue&) {  // a newer netd's, and for such a one to strike out
      continue;
    }
    compares.push_back({entry.key, entry.revision});
    for (const std::string& one : keys_of(keys, endpoint))
      if (keys.parse_address(one))
        changes.push_back({one, holder_text(endpoint), quarantine});
      else
        changes.push_back({one, std::nullopt});
    constexpr std::size_t keys_of_one = 4;
    if (changes.size() + keys_of_one > max_changes) strike_out();
  }
  if (!changes.empty()) strike_out();
  // As long as something is left, its info is, and somebody tries again.
  if (!endpoints_of(store, keys, host).empty()) return store.get(keys.host_dead(host)).has_value();
  changes = {{keys.host_info(host), std::nullopt}};
  compares = {still_dead};
  for (const Entry& claim : store.list(keys.insides()))
    if (claim.value == host) {
      compares.push_back({claim.key, claim.revision});
      changes.push_back({claim.key, std::nullopt});
    }
  return store.txn(compares, changes, Durability::power).revision != 0;
}

}  // namespace netd::cluster
