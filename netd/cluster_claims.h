// What engines have of the cluster's networks (docs/docker.md, "Networks of the cluster"). An
// engine's network stands for one of them, and its pools for that one's subnets: nothing is leased
// here. The addresses that an engine asks for stand in the cluster's books (cluster/ledger.h) from
// the first on, as entries that have no endpoint yet, or no more:
//
//     bound/network/<engine's id>   BoundNetwork
//     bound/pool/<id>               BoundPool
//     bound/claim/<id>              BoundClaim, where <id> is that of the entry in the books
//
// On record here before the books are asked, so that a netd that is killed strikes out what it
// left. On the control thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipam/address.h"
#include "netd/owed_calls.h"
#include "netd/store.h"
#include "sandbox/process.h"

namespace netd {

struct BoundNetwork {
  std::string id;       // the engine's
  std::string cluster;  // the id of the cluster's network
  std::string name;     // its name when it was bound
  std::string api;      // as EngineNetwork's
};

struct BoundPool {
  std::string id;
  std::string cluster;
  ipam::Prefix subnet;
  std::string network;  // the engine's; empty: not made yet
  std::optional<sandbox::ProcessIdentity> process;
};

/// Addresses of an entry in the books that no endpoint here has; those that are given back already
/// are absent. Neither: the books are being asked.
struct BoundClaim {
  std::string id;
  std::string token;
  std::string cluster;
  std::string network;  // the engine's
  std::optional<ipam::Prefix> ipv4;
  std::optional<ipam::Prefix> ipv6;
  ipam::Mac mac;
  std::string name;  // the container's, where the engine says it
  std::optional<sandbox::ProcessIdentity> process;

  std::optional<ipam::Prefix>& of(ipam::Family family) {
    return family == ipam::Family::v4 ? ipv4 : ipv6;
  }
  bool has(const ipam::Address& address) const;
};

class ClusterClaims {
 public:
  explicit ClusterClaims(Store& store) : store_(store) {}

  /// Boot. Of another boot of the host only networks and their pools count; so do only claims whose
  /// address is known, and which `has_endpoint` does not say to be an endpoint's by now.
  void load(bool same_host, const std::function<bool(const std::string& id)>& has_endpoint);

  // --- networks and pools
  const BoundNetwork* network(const std::string& id) const;
  std::vector<const BoundNetwork*> networks() const;
  const BoundPool* pool(const std::string& id) const;
  void add_pool(const BoundPool& pool);
  /// Pools that have no network yet.
  std::vector<const BoundPool*> unbound() const;
  void bind(const BoundNetwork& network, const std::vector<std::string>& pools);
  /// The engine removed it: its pools go, and what was claimed there is owed to the books.
  void unbind(const std::string& id);
  /// A bound one stays with its network. Gone already = done.
  void close_pool(const std::string& id);
  /// Whether an engine's network stands for that one.
  bool is_bound(const std::string& cluster) const;

  // --- claims
  std::vector<BoundClaim> claims() const;
  const BoundClaim* claim(const std::string& id) const;
  const BoundClaim* find(const std::string& cluster, const ipam::Address& address) const;
  void put(const BoundClaim& claim);
  /// An endpoint has it. Nothing is owed.
  void pass_on(const std::string& id);
  /// Forgets it: the change to make in the store, with what is owed then.
  Change drop(const std::string& id);
  static OwedCalls owed_by(const BoundClaim& claim);

  /// Forgets what the processes asked for that `is_gone` says are gone; claims are owed to the
  /// books. Returns how much.
  std::size_t give_up(const std::function<bool(const sandbox::ProcessIdentity&)>& is_gone);
  /// Everything; claims are owed.
  void clear();

 private:
  void strike_out(const std::function<bool(const BoundClaim&)>& wanted);

  Store& store_;
  std::map<std::string, BoundNetwork> networks_;
  std::map<std::string, BoundPool> pools_;
  std::map<std::string, BoundClaim> claims_;
};

}  // namespace netd
