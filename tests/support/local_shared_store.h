// A shared store for tests, in one process: SQLite behind a mutex, with the faults that a store
// elsewhere has.
#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>

#include "netd/sqlite_store.h"
#include "netd/store.h"

namespace tests {

/// Its file goes with it. Watches are told on the thread that writes.
class LocalSharedStore final : public netd::SharedStore {
 public:
  LocalSharedStore();
  ~LocalSharedStore() override;

  /// Every call fails, and nothing is changed, while this is set.
  std::atomic<bool> unreachable = false;
  /// The next transactions, that many, are made, or not, and their answers are lost.
  enum class Lost { made, not_made };
  void lose_answers(int number, Lost lost);
  /// How many transactions were asked for.
  int transactions() const { return transactions_; }
  /// Runs before each transaction, without the store's lock: what others do meanwhile.
  std::function<void()> before_txn;

  std::optional<netd::Entry> get(const std::string& key) override;
  netd::Snapshot snapshot(const std::string& prefix) override;
  netd::Outcome txn(const std::vector<netd::Compare>& compares,
                    const std::vector<netd::Change>& changes, netd::Durability durability) override;
  std::shared_ptr<void> watch(const std::string& prefix, netd::Revision since,
                              netd::Watcher watcher) override;
  netd::Lease grant(std::chrono::seconds time_to_live) override;
  void keep_alive(netd::Lease lease) override;
  void revoke(netd::Lease lease) override;
  Status status() override;

 private:
  void check_reachable() const;

  std::string directory_;
  std::recursive_mutex mutex_;  // a watch's callback may write
  std::optional<netd::SqliteStore> store_;
  std::atomic<int> transactions_ = 0;
  int lost_answers_ = 0;  // guarded by mutex_
  Lost lost_ = Lost::made;
};

}  // namespace tests
