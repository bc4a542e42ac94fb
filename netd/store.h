// The store: keys and values with revisions, transactions, watches and leases. Two engines behind
// one conformance suite (tests/netd/store_conformance.h): SQLite for one host (sqlite_store.h),
// etcd for many (etcd/load.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace netd {

/// Every transaction that was made has a revision, higher than the one before (by one, where the
/// store is nobody else's). One that changed nothing may have the former one's.
using Revision = std::int64_t;

/// Keys that carry one go when it isn't kept alive. 0 = none.
using Lease = std::int64_t;

struct Entry {
  std::string key;
  std::string value;
  Revision revision = 0;  // of the transaction that wrote it last
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// The transaction is only made if `key` was last written at `revision`; 0 = if it is absent. With
/// `prefix` (and revision 0): if no key begins with `key`.
struct Compare {
  std::string key;
  Revision revision = 0;
  bool prefix = false;
};

/// A value to put, or nothing to delete the key (deleting what is absent is fine). Putting without
/// a lease takes the key's former lease away.
struct Change {
  std::string key;
  std::optional<std::string> value;
  Lease lease = 0;
};

enum class Durability {
  process,  // survives the death of netd: no fsync
  power,    // survives power loss
};

/// What became of a transaction.
struct Outcome {
  Revision revision = 0;  // 0: a compare did not hold, and nothing was changed
  std::vector<Entry>
      found;  // then: what there is of the keys compared (of a prefix: its first key)
  explicit operator bool() const { return revision != 0; }
};

struct Snapshot {
  Revision revision = 0;  // at which all of `entries` were so: a watch since then misses nothing
  std::vector<Entry> entries;
};

/// Keys of one transaction of a shared store, at most (etcd's --max-txn-ops).
inline constexpr std::size_t max_changes = 128;

/// Why a store did not do what it was asked. The text says which store, and what to do.
struct StoreError : std::runtime_error {
  enum class Kind {
    unreachable,    // and nothing was changed
    unknown,        // a transaction was sent and not answered: it may be made, even later
    full,           // out of space: deletes, reads and kept leases still work
    denied,         // credentials, certificates, permissions
    no_lease,       // it ran out
    other_cluster,  // not the store that was opened first
    compacted,      // the revision is older than what is kept
    failed,         // a fault of the store, or of the request
  };
  StoreError(Kind why, const std::string& text) : std::runtime_error(text), kind(why) {}
  Kind kind;
};

struct Watched {
  Revision revision = 0;
  Change change;
};

/// Who is told of changes. SQLite calls within the transaction, on its thread. A shared store calls
/// on a thread of its own, one call at a time; a callback may not wait for the store there, but may
/// end the watch.
struct Watcher {
  /// Each change below the prefix, in order.
  std::function<void(const Watched&)> changed;
  /// All changes up to this revision were told; of a shared store, every ten seconds or so.
  std::function<void(Revision)> progressed = {};
  /// The watch is over and calls no more: `compacted` (changes were missed: take a snapshot),
  /// `other_cluster`, `denied`, `failed`. Connections that break are no end: a shared store goes on
  /// elsewhere.
  std::function<void(const StoreError&)> ended = {};
};

/// Used on the control thread where it is one host's; a shared store from any thread. Calls of a
/// shared store have a deadline (its configuration's) and throw StoreError.
class Store {
 public:
  virtual ~Store() = default;
  virtual std::optional<Entry> get(const std::string& key) = 0;
  /// All entries whose key begins with `prefix`, ordered by key.
  virtual Snapshot snapshot(const std::string& prefix) = 0;
  std::vector<Entry> list(const std::string& prefix) { return snapshot(prefix).entries; }
  /// All changes or none.
  virtual Outcome txn(const std::vector<Compare>& compares, const std::vector<Change>& changes,
                      Durability durability) = 0;
  /// Tells of each change below `prefix` after `since` (0 = from now on), until the returned handle
  /// is destroyed. A `since` older than what is kept ends with `compacted`: thrown, or told.
  virtual std::shared_ptr<void> watch(const std::string& prefix, Revision since,
                                      Watcher watcher) = 0;

  /// A lease that runs out `time_to_live` after it was last kept alive.
  virtual Lease grant(std::chrono::seconds time_to_live) = 0;
  /// Throws StoreError `no_lease` when it ran out.
  virtual void keep_alive(Lease lease) = 0;
  /// Deletes the keys that carry it. Nothing to do when it ran out.
  virtual void revoke(Lease lease) = 0;
};

/// A store of many hosts.
class SharedStore : public Store {
 public:
  struct Member {
    std::string endpoint;  // as it was configured
    std::string problem;   // empty: it answers
    std::string version;
    bool leader = false;
    std::int64_t bytes = 0;  // of its database
    std::chrono::microseconds latency{0};
    std::vector<std::string> alarms;  // "NOSPACE"
  };
  struct Status {
    std::string cluster;  // the id that the store gave itself
    std::vector<Member> members;
  };
  /// Asks every member, each with the deadline. Does not throw.
  virtual Status status() = 0;
};

}  // namespace netd
