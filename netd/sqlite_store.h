// The Store (store.h) in one SQLite file, write-ahead logged (sqlite.org/wal.html).
//
//   <state dir>/netd.db        0600; application_id "netd", user_version = schema_version
//              netd.db-wal     what is committed and not yet checkpointed
//              netd.db-shm     the log's index
//
// Checkpoints run on a thread and a connection of their own. One netd at a time: the state
// directory's lock (daemon.h) sees to it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "netd/store.h"

namespace netd {

class SqliteStore final : public Store {
 public:
  static constexpr int schema_version = 1;
  /// So much is kept, in memory, for watches that begin at an older revision.
  static constexpr std::size_t kept_changes = 4096;
  static constexpr std::size_t kept_bytes = 1 << 20;

  /// Opens `file`, or makes it (its directory exists). Throws netd::Error that says what to do when
  /// it is damaged, of a newer netd, not netd's, or can't be written; the file is then left as it
  /// was.
  explicit SqliteStore(const std::filesystem::path& file);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  // All throw netd::Error{internal} when the database fails (disk full, I/O); nothing is changed
  // then.

  std::optional<Entry> get(const std::string& key) override;
  std::vector<Entry> list(const std::string& prefix) override;
  /// Changes are made in their order; deleting an absent key is no change. A transaction with
  /// Durability::power also makes all earlier ones durable. Watches are called before it returns;
  /// of a transaction made in a watch's callback, each watch hears after the one that is being
  /// told.
  std::optional<Revision> txn(const std::vector<Compare>& compares,
                              const std::vector<Change>& changes, Durability durability) override;
  /// Changes since `since` are told before it returns. A callback that throws is logged and called
  /// no more. The handle may outlive the store.
  std::shared_ptr<void> watch(const std::string& prefix, Revision since,
                              Callback callback) override;

  /// Of the last transaction; 0 = none yet.
  Revision revision() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace netd
