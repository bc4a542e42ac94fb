#include "sandbox/peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "sandbox/kernel.h"

namespace sandbox {
namespace {

using Act = PeerChange::Act;
using Table = PeerChange::Table;
using Changes = std::vector<PeerChange>;

constexpr ipam::Mac flood_mac{};  // the vxlan driver's entry for whatever has none
constexpr int most_rounds = 3;

bool has(const std::vector<PeerTables::Tunnel>& tunnels, const ipam::Address& vtep) {
  return std::ranges::any_of(tunnels, [&](const auto& tunnel) { return tunnel.vtep == vtep; });
}

bool all_plain(const std::vector<PeerTables::Tunnel>& tunnels) {
  return std::ranges::all_of(tunnels, &PeerTables::Tunnel::plain);
}

bool all_permanent(const std::vector<PeerTables::Tunnel>& tunnels) {
  return std::ranges::all_of(tunnels, &PeerTables::Tunnel::permanent);
}

/// The flood list: destinations come and go one by one, the kernel replaces none.
void compare_flood(const std::vector<PeerTables::Tunnel>& have,
                   const std::vector<PeerTables::Tunnel>& want, Changes& puts, Changes& erases) {
  const bool afresh = !all_plain(have) || !all_permanent(have);
  if (afresh) puts.push_back({Table::tunnel, Act::erase, flood_mac, {}});
  for (const auto& tunnel : want)
    if (afresh || !has(have, tunnel.vtep))
      puts.push_back({Table::tunnel, Act::append, flood_mac, tunnel.vtep});
  for (const auto& tunnel : have)
    if (!afresh && !has(want, tunnel.vtep))
      erases.push_back({Table::tunnel, Act::erase, flood_mac, tunnel.vtep});
}

/// One destination is wanted. A put replaces it, but keeps a port or VNI of its own.
void compare_tunnel(const ipam::Mac& mac, const std::vector<PeerTables::Tunnel>& have,
                    const ipam::Address& want, Changes& puts) {
  const bool afresh = have.size() > 1 || !all_plain(have);
  if (afresh) puts.push_back({Table::tunnel, Act::erase, mac, {}});
  if (afresh || !has(have, want) || !all_permanent(have))
    puts.push_back({Table::tunnel, Act::put, mac, want});
}

void compare_tunnels(const PeerTables& have, const PeerTables& want, Changes& puts,
                     Changes& erases) {
  static const std::vector<PeerTables::Tunnel> none;
  for (const auto& [mac, tunnels] : want.tunnels) {
    const auto found = have.tunnels.find(mac);
    const auto& there = found == have.tunnels.end() ? none : found->second;
    if (mac == flood_mac) {
      compare_flood(there, tunnels, puts, erases);
    } else {
      compare_tunnel(mac, there, tunnels.front().vtep, puts);
    }
  }
  for (const auto& entry : have.tunnels)
    if (!want.tunnels.contains(entry.first))
      erases.push_back({Table::tunnel, Act::erase, entry.first, {}});
}

template <class Map, class IsOurs>
void compare(Table table, const Map& have, const Map& want, IsOurs is_ours, Changes& puts,
             Changes& erases) {
  const auto change = [&](Act act, const auto& entry) {
    PeerChange result{table, act, {}, {}};
    if constexpr (std::is_same_v<typename Map::key_type, ipam::Mac>) {
      result.mac = entry.first;
    } else {
      result.address = entry.first;
      result.mac = entry.second.mac;
    }
    return result;
  };
  for (const auto& entry : want) {
    const auto found = have.find(entry.first);
    if (found == have.end() || found->second != entry.second)
      puts.push_back(change(Act::put, entry));
  }
  for (const auto& entry : have)
    if (!want.contains(entry.first) && is_ours(entry.second))
      erases.push_back(change(Act::erase, entry));
}

std::string_view name_of(Table table) {
  switch (table) {
    case Table::tunnel:
      return "tunnel";
    case Table::forward:
      return "forward";
    case Table::neighbour:
      return "neighbour";
  }
  return "";
}

std::string_view name_of(Act act) {
  switch (act) {
    case Act::put:
      return "put";
    case Act::append:
      return "append";
    case Act::erase:
      return "erase";
  }
  return "";
}

/// Of entries with equal keys, the one put last.
template <class Entries, class Key>
auto newest(const Entries& entries, const Key& key) -> typename Entries::mapped_type {
  typename Entries::mapped_type found = nullptr;
  for (auto [entry, end] = entries.equal_range(key); entry != end; ++entry)
    if (!found || entry->second->order > found->order) found = entry->second;
  return found;
}

template <class Entries, class Key, class Entry>
void forget(Entries& entries, const Key& key, const Entry* gone) {
  for (auto [entry, end] = entries.equal_range(key); entry != end; ++entry)
    if (entry->second == gone) {
      entries.erase(entry);
      return;
    }
}

}  // namespace

std::string to_text(const PeerChange& change) {
  std::string text = fmt::format("{} {} ", name_of(change.act), name_of(change.table));
  if (change.table == Table::neighbour) {
    text += change.address.to_string();
    return change.act == Act::erase ? text : text + " at " + change.mac.to_string();
  }
  text += change.mac.to_string();
  if (change.table == Table::tunnel && !change.address.is_any())
    text += (change.act == Act::erase ? " from " : " to ") + change.address.to_string();
  return text;
}

std::vector<PeerChange> difference(const PeerTables& have, const PeerTables& want) {
  Changes tunnels, no_tunnels, forwards, no_forwards, neighbours, no_neighbours;
  compare_tunnels(have, want, tunnels, no_tunnels);
  compare(
      Table::forward, have.forwards, want.forwards,
      [](const PeerTables::Forward& entry) { return !entry.local; }, forwards, no_forwards);
  compare(
      Table::neighbour, have.neighbours, want.neighbours,
      [](const PeerTables::Neighbour& entry) { return entry.permanent; }, neighbours,
      no_neighbours);
  Changes all = std::move(tunnels);
  for (const Changes* part : {&forwards, &neighbours, &no_neighbours, &no_forwards, &no_tunnels})
    all.insert(all.end(), part->begin(), part->end());
  return all;
}

void PeerTable::Scope::add(const Peer& peer) {
  macs.insert(peer.mac);
  addresses.insert(peer.addresses.begin(), peer.addresses.end());
  vteps.insert(peer.vtep);
}

void PeerTable::insert(const std::string& key, const Peer& peer) {
  if (const auto there = peers_.find(key); there != peers_.end()) remove(there);
  const Entry& entry = peers_.emplace(key, Entry{peer, next_order_++}).first->second;
  by_mac_.emplace(peer.mac, &entry);
  for (const ipam::Address& address : peer.addresses)
    by_address_.emplace(address, &entry);
  ++vteps_[peer.vtep];
}

void PeerTable::remove(std::map<std::string, Entry>::iterator entry) {
  const Entry* const gone = &entry->second;
  forget(by_mac_, gone->peer.mac, gone);
  for (const ipam::Address& address : gone->peer.addresses)
    forget(by_address_, address, gone);
  if (const auto host = vteps_.find(gone->peer.vtep); --host->second == 0) vteps_.erase(host);
  peers_.erase(entry);
}

void PeerTable::want(const ipam::Mac& mac, PeerTables& tables) const {
  const Entry* const entry = newest(by_mac_, mac);
  if (!entry) return;
  tables.tunnels[mac] = {{.vtep = entry->peer.vtep}};
  tables.forwards[mac] = {};
}

void PeerTable::want(const ipam::Address& address, PeerTables& tables) const {
  if (const Entry* const entry = newest(by_address_, address))
    tables.neighbours[address] = {.mac = entry->peer.mac};
}

PeerTables PeerTable::wanted() const {
  PeerTables tables;
  for (auto entry = by_mac_.begin(); entry != by_mac_.end();
       entry = by_mac_.upper_bound(entry->first))
    want(entry->first, tables);
  for (auto entry = by_address_.begin(); entry != by_address_.end();
       entry = by_address_.upper_bound(entry->first))
    want(entry->first, tables);
  if (!floods_) return tables;
  for (const auto& host : vteps_)
    tables.tunnels[flood_mac].push_back({.vtep = host.first});
  return tables;
}

PeerTables PeerTable::wanted(const Scope& scope) const {
  PeerTables tables;
  for (const ipam::Mac& mac : scope.macs)
    want(mac, tables);
  for (const ipam::Address& address : scope.addresses)
    want(address, tables);
  if (!floods_) return tables;
  // The others of the flood list stay out of both sides of the comparison.
  auto& flood = tables.tunnels[flood_mac];
  for (const ipam::Address& vtep : scope.vteps)
    if (vteps_.contains(vtep)) flood.push_back({.vtep = vtep});
  return tables;
}

PeerReport PeerTable::carry_out(const PeerTables& before, const PeerTables& after) {
  PeerReport report;
  const Changes changes = sandbox::difference(before, after);
  for (const auto& [address, neighbour] : after.neighbours) {
    const auto found = before.neighbours.find(address);
    if (found != before.neighbours.end() && found->second.mac != neighbour.mac)
      report.moved.push_back({address, neighbour.mac});
  }
  report.changed = changes.size();
  if (changes.empty()) return report;
  PeerOutcome outcome = kernel_.change(links_, changes);
  suspect_ = suspect_ || outcome.lost || !outcome.failures.empty();
  report.failures = std::move(outcome.failures);
  report.lost = outcome.lost;
  return report;
}

PeerReport PeerTable::put(const std::string& key, const Peer& peer) {
  Scope scope;
  scope.add(peer);
  if (const auto there = peers_.find(key); there != peers_.end()) scope.add(there->second.peer);
  const PeerTables before = wanted(scope);
  insert(key, peer);
  return carry_out(before, wanted(scope));
}

PeerReport PeerTable::erase(const std::string& key) {
  const auto there = peers_.find(key);
  if (there == peers_.end()) return {};
  Scope scope;
  scope.add(there->second.peer);
  const PeerTables before = wanted(scope);
  remove(there);
  return carry_out(before, wanted(scope));
}

PeerReport PeerTable::assign(const std::vector<std::pair<std::string, Peer>>& peers) {
  peers_.clear();
  by_mac_.clear();
  by_address_.clear();
  vteps_.clear();
  for (const auto& [key, peer] : peers)
    insert(key, peer);
  return audit();
}

std::vector<PeerChange> PeerTable::difference() const {
  return sandbox::difference(kernel_.read(links_), wanted());
}

std::vector<PeerChange> PeerTable::difference(
    const std::vector<std::pair<std::string, Peer>>& peers) const {
  PeerTable other(kernel_, links_, floods_);
  for (const auto& [key, peer] : peers)
    other.insert(key, peer);
  return other.difference();
}

/// Again when the kernel's answers were lost: then only its tables say what was done.
PeerReport PeerTable::audit() {
  PeerReport report;
  const PeerTables want = wanted();
  for (int round = 0; round < most_rounds; ++round) {
    suspect_ = false;
    PeerReport part = carry_out(kernel_.read(links_), want);
    report.changed += part.changed;
    std::ranges::move(part.moved, std::back_inserter(report.moved));
    report.failures = std::move(part.failures);
    report.lost = part.lost;
    if (!part.lost) break;
  }
  return report;
}

void announce(Kernel& kernel, const PeerLinks& links, const std::vector<MovedAddress>& moved) {
  constexpr int count = 3;
  constexpr int interval_ms = 300;
  for (const MovedAddress& each : moved)
    kernel.advertise(links.bridge, each.mac, {each.address}, count, interval_ms);
}

}  // namespace sandbox
