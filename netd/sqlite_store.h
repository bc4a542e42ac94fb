// The Store (store.h) in one SQLite file, write-ahead logged (sqlite.org/wal.html).
//
//   <state dir>/netd.db        0600; application_id "netd", user_version = schema_version
//              netd.db-wal     what is committed and not yet checkpointed
//              netd.db-shm     the log's index
//
// Checkpoints run on a thread and a connection of their own. One netd at a time: the state
// directory's lock (daemon.h) sees to it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "netd/store.h"

namespace netd {

class SqliteStore final : public Store {
 public:
  static constexpr int schema_version = 2;
  /// So much is kept, in memory, for watches that begin at an older revision.
  static constexpr std::size_t kept_changes = 4096;
  static constexpr std::size_t kept_bytes = 1 << 20;

  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  /// Opens `file`, or makes it (its directory exists). `now` is what leases run out by. Throws
  /// netd::Error that says what to do when it is damaged, of a newer netd, not netd's, or can't be
  /// written; the file is then left as it was.
  explicit SqliteStore(const std::filesystem::path& file,
                       Clock now = std::chrono::steady_clock::now);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  // All throw netd::Error{internal} when the database fails (disk full, I/O); nothing is changed
  // then.

  std::optional<Entry> get(const std::string& key) override;
  Snapshot snapshot(const std::string& prefix) override;
  /// Changes are made in their order; deleting an absent key is no change. A transaction with
  /// Durability::power also makes all earlier ones durable. Watches are called before it returns;
  /// of a transaction made in a watch's callback, each watch hears after the one that is being
  /// told.
  Outcome txn(const std::vector<Compare>& compares, const std::vector<Change>& changes,
              Durability durability) override;
  /// Changes since `since` are told before it returns; throws StoreError `compacted`. Every
  /// transaction is progress. A callback that throws is logged, and its watch ends with `failed`.
  /// The handle may outlive the store.
  std::shared_ptr<void> watch(const std::string& prefix, Revision since, Watcher watcher) override;

  /// Leases that ran out end when the store is used next, and are whole again when it is opened.
  Lease grant(std::chrono::seconds time_to_live) override;
  void keep_alive(Lease lease) override;
  void revoke(Lease lease) override;

  /// Of the last transaction; 0 = none yet.
  Revision revision() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace netd
