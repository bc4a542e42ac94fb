#include "netd/cluster/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <thread>

#include "drivers/overlay.h"
#include "ipam/pool.h"
#include "netd/cluster/holders.h"
#include "netd/error.h"

namespace netd::cluster {
namespace {

constexpr int most_tries = 10;
constexpr int blind_tries = 3;  // before the store is asked which addresses are taken
constexpr auto pause = std::chrono::milliseconds(100);
// Below 4096 they are easily taken for VLAN ids, and Windows has no use for them.
constexpr std::uint32_t first_vni = 4096;
constexpr std::uint32_t end_of_vnis = 1U << 24;

[[noreturn]] void give_up(const std::string& what) {
  throw Error(ErrorKind::unavailable,
              fmt::format("{}: other hosts were quicker {} times, try again", what, most_tries));
}

const Entry* find(const std::vector<Entry>& entries, const std::string& key) {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &*found;
}

/// The subnet with what is never given to endpoints.
ipam::Pool occupied(const drivers::Pool& pool) {
  ipam::Pool addresses(pool.subnet, pool.range);
  if (pool.gateway) addresses.reserve(*pool.gateway);
  for (const auto& [name, address] : pool.auxiliary)
    addresses.reserve(address);
  return addresses;
}

/// Somewhere in the range: hosts that choose at the same time seldom choose the same.
std::optional<ipam::Address> choose_somewhere(ipam::Pool& pool, const TakenAddresses& taken,
                                              std::uint64_t random) {
  const ipam::Prefix range = pool.range().masked();
  const ipam::Offset size = range.size();
  constexpr int tries = 8;
  for (int i = 0; i < tries; ++i) {
    // Knuth's MMIX constants: another place in the range each time.
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto address =
        ipam::Address::from_value(range.family(), range.network().value() + (random >> 8) % size);
    if (std::ranges::find(taken, address) == taken.end() && pool.reserve(address)) return address;
  }
  for (const ipam::Address& address : taken)
    pool.reserve(address);
  return pool.allocate();
}

}  // namespace

std::string make_token() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i)
    token += fmt::format("{:08x}", device());
  return token;
}

std::string holder_text(const Endpoint& endpoint) {
  return to_text(Holder{.host = endpoint.host, .endpoint = endpoint.id, .token = endpoint.token});
}

std::vector<std::string> keys_of(const Keys& keys, const Endpoint& endpoint) {
  std::vector<std::string> all{keys.endpoint(endpoint.network, endpoint.host, endpoint.id)};
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address) all.push_back(keys.address(endpoint.network, address->address));
  all.push_back(keys.mac(endpoint.network, endpoint.mac));
  return all;
}

Ledger::Ledger(Store& store, Keys keys, std::string host, Fence fence,
               std::chrono::milliseconds patience)
    : store_(store),
      keys_(std::move(keys)),
      host_(std::move(host)),
      fence_(std::move(fence)),
      patience_(patience) {}

std::uint64_t Ledger::random() {
  const std::lock_guard lock(random_mutex_);
  return random_();
}

/// On the condition that this host is live. A transaction whose answer was lost is made again: if
/// it was made, `key` has our token now.
Outcome Ledger::certainly(std::vector<Compare> compares, const std::vector<Change>& changes,
                          const std::string& key, const std::string& token, Time end) {
  const Compare fence = fence_();
  compares.push_back(fence);
  bool lost_an_answer = false;
  while (true) {
    try {
      Outcome outcome = store_.txn(compares, changes, Durability::power);
      if (!outcome && lost_an_answer)
        if (const Entry* mine = find(outcome.found, key); mine && token_of(mine->value) == token)
          return {.revision = mine->revision, .found = {}};
      if (const Entry* live = find(outcome.found, fence.key);
          !outcome && (!live || live->revision != fence.revision))
        throw StoreError(StoreError::Kind::no_lease,
                         "this host is no live member of the cluster at the moment");
      return outcome;
    } catch (const StoreError& error) {
      lost_an_answer |= error.kind == StoreError::Kind::unknown;
      const bool may_pass =
          error.kind == StoreError::Kind::unknown || error.kind == StoreError::Kind::unreachable;
      if (!may_pass || Clock::now() + pause >= end) {
        if (!lost_an_answer || error.kind == StoreError::Kind::unknown) throw;
        throw StoreError(StoreError::Kind::unknown, error.what());
      }
    }
    std::this_thread::sleep_for(pause);
  }
}

/// What may pass (an election, a member that is gone) is waited for.
std::optional<Entry> Ledger::read(const std::string& key, Time end) {
  while (true) {
    try {
      return store_.get(key);
    } catch (const StoreError& error) {
      if (error.kind != StoreError::Kind::unreachable || Clock::now() + pause >= end) throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

Ledger::Known Ledger::find_network(const std::string& id, Time end) {
  const auto entry = read(keys_.network(id), end);
  if (!entry)
    throw Error(ErrorKind::not_found,
                fmt::format("network {} is not in the cluster any more", id.substr(0, 12)));
  return {parse_value<Network>(entry->value), entry->revision, Clock::now()};
}

/// In a burst, as it was a moment ago: it hardly ever changes, the transaction compares its
/// revision, and half of the questions to the store are left out. Else it is read: that also tells
/// a store that is away before anything is asked of it whose outcome could not be known.
Ledger::Known Ledger::known_network(const std::string& id, Time end) {
  constexpr auto moment = std::chrono::seconds(1);
  {
    const std::lock_guard lock(known_mutex_);
    const auto known = known_.find(id);
    if (known != known_.end() && Clock::now() - known->second.confirmed < moment)
      return known->second;
  }
  return find_network(id, end);
}

void Ledger::confirm(Known known) {
  known.confirmed = Clock::now();
  constexpr std::size_t most_known = 64;
  const std::lock_guard lock(known_mutex_);
  if (known_.size() >= most_known) known_.clear();
  known_.insert_or_assign(known.network.id, std::move(known));
}

/// Throws what is in the way of every other choice too.
void Ledger::check_wishes(const Network& wanted, bool any_vni, const Outcome& outcome) {
  if (find(outcome.found, keys_.network_name(wanted.name)))
    throw Error(ErrorKind::conflict,
                fmt::format("network with name {} already exists in the cluster", wanted.name));
  if (const Entry* other = find(outcome.found, keys_.vni(wanted.vni)); other && !any_vni)
    throw Error(ErrorKind::conflict,
                fmt::format("VXLAN network identifier {} is network {}'s", wanted.vni,
                            network_name(store_, keys_, other->value)));
}

Network Ledger::add_network(Network wanted, const ChoosePools& choose) {
  const bool any_vni = wanted.vni == 0;
  if (wanted.token.empty()) wanted.token = make_token();
  const Time end = Clock::now() + patience_;
  for (int i = 0; i < most_tries; ++i) {
    const auto generation = read(keys_.pool_generation(), end);
    std::vector<TakenPool> taken;
    for (const Entry& entry : store_.list(keys_.pools()))
      if (const auto subnet = keys_.parse_pool(entry.key)) taken.push_back({*subnet, entry.value});
    wanted.pools = choose(taken);
    if (any_vni)
      wanted.vni = first_vni + static_cast<std::uint32_t>(random() % (end_of_vnis - first_vni));

    std::vector<Compare> compares{{keys_.network(wanted.id)},
                                  {keys_.network_name(wanted.name)},
                                  {keys_.vni(wanted.vni)},
                                  {keys_.pool_generation(), generation ? generation->revision : 0},
                                  fence_()};
    std::vector<Change> changes{{keys_.network(wanted.id), to_text(wanted)},
                                {keys_.network_name(wanted.name), wanted.id},
                                {keys_.vni(wanted.vni), wanted.id},
                                {keys_.pool_generation(), wanted.token}};
    for (const drivers::Pool& pool : wanted.pools)
      changes.push_back({keys_.pool(pool.subnet), wanted.id});
    const Outcome outcome =
        certainly(compares, changes, keys_.network(wanted.id), wanted.token, end);
    if (outcome) return wanted;
    check_wishes(wanted, any_vni, outcome);
  }
  give_up("network " + wanted.name);
}

void Ledger::remove_network(const std::string& id, const std::string& token) {
  for (int i = 0; i < most_tries; ++i) {
    const auto entry = store_.get(keys_.network(id));
    if (!entry) return;
    const auto network = parse_value<Network>(entry->value);
    if (!token.empty() && network.token != token) return;
    std::vector<Change> changes{{keys_.network(id), std::nullopt},
                                {keys_.network_name(network.name), std::nullopt},
                                {keys_.vni(network.vni), std::nullopt},
                                {keys_.pool_generation(), make_token()}};
    for (const drivers::Pool& pool : network.pools)
      changes.push_back({keys_.pool(pool.subnet), std::nullopt});
    const Outcome outcome =
        store_.txn({{keys_.network(id), entry->revision}, {keys_.endpoints(id), 0, true}}, changes,
                   Durability::power);
    if (outcome) return;
    for (const Entry& found : outcome.found)
      if (const auto in_use = keys_.parse_endpoint(found.key)) {
        const auto endpoint = parse_value<Endpoint>(found.value);
        const auto info = store_.get(keys_.host_info(in_use->host));
        throw drivers::Refused(fmt::format(
            "error while removing network: network {} has active endpoints in the cluster: {} on "
            "host {}",
            network.name, endpoint.names.empty() ? endpoint.id.substr(0, 12) : endpoint.names[0],
            info ? parse_value<HostInfo>(info->value).name : in_use->host));
      }
  }
  give_up("removing network " + id.substr(0, 12));
}

std::optional<ipam::Prefix> Ledger::choose_address(const Network& network, ipam::Family family,
                                                   const std::optional<ipam::Address>& wanted,
                                                   const TakenAddresses& taken) {
  if (!(family == ipam::Family::v4 ? network.ipv4 : network.ipv6)) return std::nullopt;
  for (const drivers::Pool& pool : network.pools) {
    if (pool.subnet.family() != family) continue;
    if (wanted && !pool.subnet.contains(*wanted)) continue;
    ipam::Pool addresses = occupied(pool);
    if (wanted && !addresses.reserve(*wanted))
      throw drivers::Refused(
          fmt::format("Address already in use: {} is kept free on network {} (its subnet's own, a "
                      "gateway or auxiliary address)",
                      wanted->to_string(), network.name));
    const auto chosen = wanted ? wanted : choose_somewhere(addresses, taken, random());
    if (chosen) return ipam::Prefix{*chosen, pool.subnet.length};
  }
  if (wanted)
    throw std::invalid_argument(
        fmt::format("address {} is in no subnet of network {}", wanted->to_string(), network.name));
  throw Error(ErrorKind::unavailable,
              fmt::format("network {} has no free {} address left", network.name,
                          family == ipam::Family::v4 ? "IPv4" : "IPv6"));
}

/// That all of the endpoint's keys are free, or are the entries that are its `own`.
std::vector<Compare> Ledger::entry_compares(const Endpoint& endpoint,
                                            const std::vector<Entry>& own) const {
  std::vector<Compare> compares;
  for (const std::string& key : keys_of(keys_, endpoint)) {
    const Entry* mine = find(own, key);
    compares.push_back({key, mine ? mine->revision : 0});
  }
  return compares;
}

std::vector<Change> Ledger::entry_changes(const Endpoint& endpoint) const {
  const std::string holder = holder_text(endpoint);
  std::vector<Change> changes;
  for (const std::string& key : keys_of(keys_, endpoint))
    changes.push_back({key, changes.empty() ? to_text(endpoint) : holder});
  return changes;
}

void Ledger::refuse(const ipam::Address& address, const std::string& network,
                    const std::string& holder) {
  throw drivers::Refused(fmt::format("Address already in use: {} is that of {}",
                                     address.to_string(),
                                     holder_name(store_, keys_, network, holder)));
}

/// What to leave out at the next try; throws when it was asked for.
void Ledger::avoid(const Endpoint& endpoint, const EndpointRequest& request, const Outcome& outcome,
                   TakenAddresses& taken) {
  const auto holder_of = [&](const std::optional<ipam::Prefix>& address) {
    return address ? find(outcome.found, keys_.address(endpoint.network, address->address))
                   : nullptr;
  };
  for (const auto& [chosen, wanted] :
       {std::pair(endpoint.ipv4, request.ipv4), std::pair(endpoint.ipv6, request.ipv6)}) {
    const Entry* const holder = holder_of(chosen);
    if (!holder) continue;
    if (wanted) refuse(*wanted, endpoint.network, holder->value);
    taken.push_back(chosen->address);
  }
  const Entry* const has_mac = find(outcome.found, keys_.mac(endpoint.network, endpoint.mac));
  if (!has_mac) return;
  if (request.mac)
    throw Error(ErrorKind::conflict,
                fmt::format("MAC address {} is in use on this network: it is that of {}",
                            request.mac->to_string(),
                            holder_name(store_, keys_, endpoint.network, has_mac->value)));
  // Somebody asked for the MAC that goes with this address.
  if (endpoint.ipv4 && request.ipv4)
    throw Error(ErrorKind::conflict,
                fmt::format("MAC address {}, which goes with {}, is in use on this network: choose "
                            "one (--mac-address)",
                            endpoint.mac.to_string(), request.ipv4->to_string()));
  if (endpoint.ipv4) taken.push_back(endpoint.ipv4->address);
}

TakenAddresses Ledger::all_taken(const std::string& network) {
  TakenAddresses taken;
  for (const Entry& entry : store_.list(keys_.addresses(network)))
    if (const auto address = keys_.parse_address(entry.key)) taken.push_back(*address);
  return taken;
}

Endpoint Ledger::add_endpoint(Endpoint wanted, const EndpointRequest& request,
                              TakenAddresses taken) {
  wanted.host = host_;
  const Time end = Clock::now() + patience_;
  Known known = known_network(wanted.network, end);
  for (int i = 0; i < most_tries; ++i) {
    if (i == blind_tries) taken = all_taken(wanted.network);
    if (request.only != ipam::Family::v6)
      wanted.ipv4 = choose_address(known.network, ipam::Family::v4, request.ipv4, taken);
    if (request.only != ipam::Family::v4)
      wanted.ipv6 = choose_address(known.network, ipam::Family::v6, request.ipv6, taken);
    wanted.mac = request.mac   ? *request.mac
                 : wanted.ipv4 ? drivers::overlay_mac(wanted.ipv4->address)
                               : ipam::Mac::local(random());
    std::vector<Compare> compares = entry_compares(wanted);
    compares.push_back({keys_.network(wanted.network), known.revision});
    const Outcome outcome =
        certainly(compares, entry_changes(wanted), keys_.endpoint(wanted.network, host_, wanted.id),
                  wanted.token, end);
    if (outcome) {
      confirm(std::move(known));
      return wanted;
    }
    avoid(wanted, request, outcome, taken);
    const Entry* network = find(outcome.found, keys_.network(wanted.network));
    if (!network || network->revision != known.revision) known = find_network(wanted.network, end);
  }
  give_up("an address on network " + known.network.name);
}

void Ledger::add_again(const Endpoint& endpoint) {
  const std::string own = keys_.endpoint(endpoint.network, endpoint.host, endpoint.id);
  const Time end = Clock::now() + patience_;
  const Known known = find_network(endpoint.network, end);
  std::vector<Entry> kept;
  for (int i = 0; i < most_tries; ++i) {
    std::vector<Compare> compares = entry_compares(endpoint, kept);
    compares.push_back({keys_.network(endpoint.network), known.revision});
    const Outcome outcome = certainly(compares, entry_changes(endpoint), own, endpoint.token, end);
    if (outcome) return;
    const auto is_mine = [&](const Entry& entry) {
      return token_of(entry.value) == endpoint.token;
    };
    if (const Entry* mine = find(outcome.found, own); mine && is_mine(*mine)) return;
    std::vector<Entry> mine;
    std::ranges::copy_if(outcome.found, std::back_inserter(mine), is_mine);
    if (mine == kept) break;
    kept = std::move(mine);
  }
  throw Error(ErrorKind::conflict,
              fmt::format("the addresses of {} on network {} were given to others",
                          endpoint.names.empty() ? endpoint.id.substr(0, 12) : endpoint.names[0],
                          known.network.name));
}

void Ledger::refuse_taken(const Endpoint& endpoint, const std::vector<Entry>& others) const {
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address && find(others, keys_.address(endpoint.network, address->address)))
      throw drivers::Refused("Address already in use: " + address->address.to_string());
  if (find(others, keys_.mac(endpoint.network, endpoint.mac)))
    throw Error(ErrorKind::conflict,
                fmt::format("MAC address {} is in use on this network", endpoint.mac.to_string()));
}

void Ledger::exchange(Endpoint endpoint, std::vector<Endpoint> before) {
  endpoint.host = host_;
  std::set<std::string> tokens{endpoint.token};
  const std::vector<std::string> keys = keys_of(keys_, endpoint);
  std::set<std::string> former;  // keys that go
  for (Endpoint& one : before) {
    one.host = host_;
    tokens.insert(one.token);
    for (const std::string& key : keys_of(keys_, one))
      if (std::ranges::find(keys, key) == keys.end()) former.insert(key);
  }
  const Time end = Clock::now() + patience_;
  Known known = find_network(endpoint.network, end);
  std::vector<Entry> ours;
  for (int i = 0; i < most_tries; ++i) {
    std::vector<Compare> compares = entry_compares(endpoint, ours);
    compares.push_back({keys_.network(endpoint.network), known.revision});
    std::vector<Change> changes;
    for (const std::string& key : former) {
      const Entry* mine = find(ours, key);
      compares.push_back({key, mine ? mine->revision : 0});
      // First: who watches is told that these go, then that the new one comes.
      if (mine) changes.push_back({key, std::nullopt});
    }
    std::ranges::move(entry_changes(endpoint), std::back_inserter(changes));
    const Outcome outcome = certainly(compares, changes, keys.front(), endpoint.token, end);
    if (outcome) return;
    ours.clear();
    std::vector<Entry> others;
    for (const Entry& entry : outcome.found)
      (tokens.contains(token_of(entry.value)) ? ours : others).push_back(entry);
    if (const Entry* mine = find(ours, keys.front());
        mine && token_of(mine->value) == endpoint.token)
      return;  // said before
    refuse_taken(endpoint, others);
    for (const Entry& entry : others)
      former.erase(entry.key);  // somebody else's by now
    const Entry* network = find(others, keys_.network(endpoint.network));
    if (!network || network->revision != known.revision)
      known = find_network(endpoint.network, end);
  }
  give_up("an address on network " + known.network.name);
}

bool Ledger::rename_endpoint(const Endpoint& endpoint) {
  const std::string key = keys_.endpoint(endpoint.network, endpoint.host, endpoint.id);
  for (int i = 0; i < most_tries; ++i) {
    const auto entry = store_.get(key);
    if (!entry) return false;
    const auto stands = parse_value<Endpoint>(entry->value);
    if (stands.token != endpoint.token) return false;
    if (stands.names == endpoint.names) return true;
    if (certainly({{key, entry->revision}}, {{key, to_text(endpoint)}}, key, endpoint.token,
                  Clock::now() + patience_))
      return true;
  }
  return false;
}

void Ledger::remove_endpoint(const std::string& network, const std::string& id,
                             const std::string& token) {
  const std::string key = keys_.endpoint(network, host_, id);
  for (int i = 0; i < most_tries; ++i) {
    const auto entry = store_.get(key);
    if (!entry) return;
    const auto endpoint = parse_value<Endpoint>(entry->value);
    if (endpoint.token != token) return;
    std::vector<Change> changes;
    for (const std::string& one : keys_of(keys_, endpoint))
      changes.push_back({one, std::nullopt});
    if (store_.txn({{key, entry->revision}}, changes, Durability::power)) return;
  }
  give_up("giving back the addresses of endpoint " + id.substr(0, 12));
}

}  // namespace netd::cluster
