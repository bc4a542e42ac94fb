// This host's place among the hosts of a cluster: live while a lease is kept, unreachable when that
// ran out, dead when another host gave it up. What is live decides who may write to the books,
// never what packets do.
//
// The store's functions wait for it: use this on threads that may; join() and describe() on one,
// keep() on that or another. fence() is for any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "netd/cluster/keys.h"
#include "netd/cluster/values.h"
#include "netd/store.h"

namespace netd::cluster {

inline constexpr std::chrono::seconds lease_time{15};
inline constexpr std::chrono::seconds keep_period{5};
inline constexpr std::chrono::seconds quarantine_time{60};

/// The cluster is not the one that it was, or does not take this host: trying again does not help.
struct NotAMember : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Membership {
 public:
  struct Options {
    HostInfo host;
    /// Of the cluster that this host was a member of; empty = of none yet.
    std::string known_cluster;
    /// For the first host of a cluster; others have to agree with it, or say nothing.
    std::optional<std::uint16_t> vxlan_port;
  };
  Membership(Store& store, Keys keys, Options options);

  struct Joined {
    Meta meta;
    bool founded = false;       // this host is the cluster's first
    bool lost_inside = false;   // its address inside encrypted tunnels: claim another one
    bool was_given_up = false;  // what this host had in the books may be gone, and others'
  };
  /// Joins, or joins again. Throws NotAMember: another netd with this host's id is live, the store
  /// is another cluster's or was emptied, the cluster's settings differ; StoreError.
  Joined join();

  /// Throws StoreError `other_cluster` when the store is not the joined cluster's any more: it was
  /// emptied, or is another one.
  void check_cluster();
  /// Keeps the lease, every keep_period. Throws StoreError `no_lease` when it ran out: join()
  /// again.
  void keep();
  /// Not live any more, at once. Does not throw: the lease runs out by itself.
  void leave();
  /// New facts of the host (its MTU, its keys).
  void describe(const HostInfo& host);
  /// An address of `prefix` that is this host's alone, for its encrypted tunnels: `wish` when that
  /// is free or this host's already. Throws StoreError; std::runtime_error when none is free.
  ipam::Address claim_inside(const ipam::Prefix& prefix, const std::optional<ipam::Address>& wish);

  /// The condition that this host is live, for a transaction. Throws StoreError `no_lease` when it
  /// is not.
  Compare fence() const;
  bool is_live() const;

  const std::string& nonce() const { return nonce_; }

 private:
  Meta agree_on_meta(bool& founded);
  void check_tunnel_address() const;
  void check_clone(const std::optional<Entry>& live) const;
  bool keep_inside(std::vector<Compare>& compares, std::vector<Change>& changes);

  Store& store_;
  const Keys keys_;
  const std::string id_;
  Options options_;  // of the thread that joins
  std::string nonce_;
  mutable std::mutex mutex_;
  Lease lease_ = 0;             // guarded by mutex_
  Revision live_revision_ = 0;  // guarded by mutex_; 0 = not live
  std::string joined_cluster_;  // guarded by mutex_
};

/// Gives up a host that is not live: what it had in the books is struck out, its addresses are free
/// for others a minute later. Done in pieces, each under the condition that the host did not come
/// back; may be called again, by any host. False: it is live, or came back meanwhile. Throws
/// StoreError.
bool give_up_host(Store& store, const Keys& keys, const std::string& host);

}  // namespace netd::cluster
