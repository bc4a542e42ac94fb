// What survives power loss. This program replaces fsync and fdatasync: each first keeps a copy of
// the file as it was then. "The power fails" leaves exactly those copies: whatever was written and
// not synced is gone, the worst a disk may do.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>

#include "netd/sqlite_store.h"

namespace {

namespace fs = std::filesystem;

std::mutex disk_mutex;  // the checkpointer syncs on its own thread
fs::path state;         // the directory whose files are simulated; empty = none
fs::path disk;          // what a power loss leaves of it

/// Syncing a directory makes deletions last.
void forget_deleted() {
  for (const auto& kept : fs::directory_iterator(disk))
    if (!fs::exists(state / kept.path().filename())) fs::remove(kept.path());
}

void keep_copy(int fd) {
  const std::lock_guard lock(disk_mutex);
  std::error_code error;
  const fs::path file = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
  if (error || state.empty()) return;
  if (file == state) forget_deleted();
  if (file.parent_path() != state) return;
  fs::copy_file(file, disk / file.filename(), fs::copy_options::overwrite_existing, error);
}

}  // namespace

extern "C" int fsync(int fd) {
  keep_copy(fd);
  return static_cast<int>(syscall(SYS_fsync, fd));
}
extern "C" int fdatasync(int fd) {
  keep_copy(fd);
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace tests {
namespace {

using netd::Durability;
using netd::SqliteStore;

class PowerLossTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "netd-power-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    const std::lock_guard lock(disk_mutex);
    state = directory_ / "state";
    disk = directory_ / "disk";
    fs::create_directories(state);
    fs::create_directories(disk);
  }
  void TearDown() override {
    {
      const std::lock_guard lock(disk_mutex);
      state.clear();
    }
    fs::remove_all(directory_);
  }
  fs::path file() const { return directory_ / "state" / "netd.db"; }

  /// "none" when the key is absent.
  static std::string value(SqliteStore& store, const std::string& key) {
    const auto entry = store.get(key);
    return entry ? entry->value : "none";
  }

  /// A store as the machine finds it after the power failed now.
  std::unique_ptr<SqliteStore> after_power_loss() {
    const fs::path copy = directory_ / ("after" + std::to_string(++losses_));
    {
      const std::lock_guard lock(disk_mutex);
      fs::copy(disk, copy);
    }
    // The index is rebuilt from the log, as after any reboot.
    fs::remove(copy / "netd.db-shm");
    return std::make_unique<SqliteStore>(copy / "netd.db");
  }

  fs::path directory_;
  int losses_ = 0;
};

TEST_F(PowerLossTest, ANewStoreSurvives) {
  SqliteStore store(file());
  EXPECT_EQ(after_power_loss()->revision(), 0);
}

TEST_F(PowerLossTest, ATransactionForPowerSurvivesAndSoDoAllBeforeIt) {
  SqliteStore store(file());
  store.txn({}, {{"endpoint", "1"}}, Durability::process);
  store.txn({}, {{"network", "2"}}, Durability::power);
  const auto after = after_power_loss();
  EXPECT_EQ(value(*after, "endpoint"), "1");
  EXPECT_EQ(value(*after, "network"), "2");
  EXPECT_EQ(after->revision(), 2);
}

TEST_F(PowerLossTest, ATransactionForTheProcessIsNotSynced) {
  SqliteStore store(file());
  store.txn({}, {{"network", "1"}}, Durability::power);
  store.txn({}, {{"endpoint", "2"}}, Durability::process);
  const auto after = after_power_loss();
  EXPECT_EQ(value(*after, "network"), "1");
  EXPECT_EQ(value(*after, "endpoint"), "none") << "the hot path paid for an fsync";
}

TEST_F(PowerLossTest, TheNextForTheProcessIsNotSyncedAfterAFailedCompareForPower) {
  SqliteStore store(file());
  EXPECT_FALSE(store.txn({{"a", 9}}, {{"a", "1"}}, Durability::power));
  store.txn({}, {{"endpoint", "1"}}, Durability::process);
  EXPECT_EQ(value(*after_power_loss(), "endpoint"), "none");
}

TEST_F(PowerLossTest, WhatIsDurableStaysSoWhileCheckpointsMoveTheLog) {
  SqliteStore store(file());
  const std::string filler(40'000, '.');
  for (int round = 1; round <= 10; ++round) {
    for (int i = 0; i < 40; ++i)
      store.txn({}, {{"filler/" + std::to_string(i), filler}}, Durability::process);
    store.txn({}, {{"round", std::to_string(round)}}, Durability::power);
    EXPECT_EQ(value(*after_power_loss(), "round"), std::to_string(round));
    for (int i = 0; i < 3; ++i) {
      store.txn({}, {{"unsynced", filler}}, Durability::process);
      ASSERT_EQ(value(*after_power_loss(), "round"), std::to_string(round));
    }
  }
}

}  // namespace
}  // namespace tests
