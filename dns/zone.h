// The names of a network and what one sandbox sees of them. All values are immutable once
// published; the control thread makes new ones, the DNS thread reads whatever was published last.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/published.h"
#include "ipam/address.h"

namespace dns {

/// One endpoint's entry in its network's zone. `names` are compared without case; the first one is
/// the PTR name. A name may stand in several hosts (a shared alias): all addresses are answered.
struct Host {
  std::string endpoint_id;
  std::vector<std::string> names;
  std::vector<ipam::Address> addresses;
};

/// The names of one network: immutable; `with` and `without` share what they don't change, so a
/// change costs far less than a copy.
class Zone {
 public:
  Zone(std::string network_name, std::vector<ipam::Prefix> subnets);
  /// The same zone with this host in it; a host of the same endpoint is replaced.
  std::shared_ptr<const Zone> with(const Host& host) const;
  /// The same zone without that endpoint's host, if it has one.
  std::shared_ptr<const Zone> without(std::string_view endpoint_id) const;

  const std::string& network_name() const { return network_name_; }
  /// In lower case, as look-ups compare it.
  const std::string& lower_network_name() const { return lower_network_name_; }
  const std::vector<ipam::Prefix>& subnets() const { return subnets_; }
  /// Addresses of both families of a lower-case name without trailing dot; empty when unknown.
  std::vector<ipam::Address> find(std::string_view lower_name) const;
  /// Replaces `addresses` by those of the name, sorted and without duplicates. False when no host
  /// has the name: a known name may be without addresses.
  bool find(std::string_view lower_name, std::vector<ipam::Address>& addresses) const;
  /// The first name of the endpoint with that address; empty when none.
  std::string find_name(const ipam::Address& address) const;
  /// The host with that address (of several: any); nullptr when none. Lives as long as the zone.
  const Host* find_host(const ipam::Address& address) const;

 private:
  // Names, addresses and endpoint ids are all rows of one hash table, cut into shards by the hash.
  // A change copies the table of shards and the few shards that it touches.
  enum class Key : std::uint8_t { name, address, endpoint };
  struct Row;
  struct Shard;
  static std::uint64_t hash(Key key, std::string_view text);
  static std::uint64_t hash(const ipam::Address& address);
  void insert(const Host& host);
  void erase(std::string_view endpoint_id);
  void insert_row(Row row);
  void erase_row(std::uint64_t hash, const Host* host);
  const Shard* shard(std::uint64_t hash) const;

  std::string network_name_;
  std::string lower_network_name_;
  std::vector<ipam::Prefix> subnets_;
  std::vector<std::shared_ptr<const Shard>> shards_;  // nullptr: an empty one
};

/// The current zone of a network, swapped whole (any thread may load it).
class ZoneHandle {
 public:
  explicit ZoneHandle(std::shared_ptr<const Zone> zone) : zone_(std::move(zone)) {}
  std::shared_ptr<const Zone> load() const { return zone_.load(); }
  void publish(std::shared_ptr<const Zone> zone) { zone_.store(std::move(zone)); }

 private:
  Published<Zone> zone_;
};

/// Where names go that no zone knows.
enum class Forwarding {
  none,     // no outside access: NXDOMAIN at once
  host,     // from netd's own namespace (servers of the host's resolv.conf)
  sandbox,  // from the sandbox's namespace (servers given with --dns, or by its LAN)
};

/// What one sandbox sees.
struct View {
  std::vector<std::shared_ptr<const ZoneHandle>> zones;  // in the order of the endpoints' priority
  std::map<std::string, std::string> links;              // lower-case alias -> name (legacy links)
  Forwarding forwarding = Forwarding::none;
  std::vector<ipam::Address> servers;  // upstream, in order; 127.0.0.11 is ignored
  bool forward_single_labels = true;   // false when the user set ndots > 0 (libnetwork.md 5.4)
};

}  // namespace dns
