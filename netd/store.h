// The store: keys and values with revisions, transactions and watches. SQLite now (sqlite_store.h);
// the same face serves a shared store later. Used on the control thread, watches included.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace netd {

/// Every successful transaction has a revision, one higher than the one before.
using Revision = std::int64_t;

struct Entry {
  std::string key;
  std::string value;
  Revision revision = 0;  // of the transaction that wrote it last
};

/// The transaction only happens if `key` was last written at `revision`; 0 = if it is absent.
struct Compare {
  std::string key;
  Revision revision = 0;
};

/// A value to put, or nothing to delete the key (deleting what is absent is fine).
struct Change {
  std::string key;
  std::optional<std::string> value;
};

enum class Durability {
  process,  // survives the death of netd: no fsync
  power,    // survives power loss
};

struct Watched {
  Revision revision = 0;
  Change change;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual std::optional<Entry> get(const std::string& key) = 0;
  /// All entries whose key begins with `prefix`, ordered by key.
  virtual std::vector<Entry> list(const std::string& prefix) = 0;
  /// All changes or none. Returns the revision, or nothing when a compare did not hold.
  virtual std::optional<Revision> txn(const std::vector<Compare>& compares,
                                      const std::vector<Change>& changes,
                                      Durability durability) = 0;
  /// Calls `callback` for each change below `prefix` after `since` (0 = from now on), in order,
  /// until the returned handle is destroyed. Throws std::out_of_range when `since` is older than
  /// what is kept.
  using Callback = std::function<void(const Watched&)>;
  virtual std::shared_ptr<void> watch(const std::string& prefix, Revision since,
                                      Callback callback) = 0;
};

}  // namespace netd
