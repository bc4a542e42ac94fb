// SqliteStore: the conformance suite, and what only SQLite can get wrong.
#include "netd/sqlite_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "netd/error.h"
#include "tests/netd/store_conformance.h"
#include "tests/support/namespace_test.h"

namespace tests {
namespace {

namespace fs = std::filesystem;
using netd::Durability;
using netd::SqliteStore;
using ::testing::HasSubstr;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (fs::temp_directory_path() / "netd-store-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class SqliteHome final : public StoreHome {
 public:
  std::unique_ptr<netd::Store> open() override {
    return std::make_unique<SqliteStore>(directory_.path() / "netd.db", [this] { return now_; });
  }
  void forget_history(netd::Revision) override {}  // the next `open` has none
  void pass(std::chrono::seconds time) override { now_ += time; }

 private:
  TemporaryDirectory directory_;
  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance,
                         ::testing::Values(Engine{"Sqlite",
                                                  [] { return std::make_unique<SqliteHome>(); }}),
                         [](const auto& engine) { return engine.param.name; });

std::string content(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void execute(const fs::path& file, const char* sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(handle);
  sqlite3_close(handle);
}

class SqliteStoreTest : public ::testing::Test {
 protected:
  /// The message of the error that opening the file ends with.
  std::string refusal() const {
    try {
      SqliteStore store(file_);
    } catch (const netd::Error& error) {
      return error.what();
    }
    return "it opened";
  }

  TemporaryDirectory directory_;
  fs::path file_ = directory_.path() / "netd.db";
};

TEST_F(SqliteStoreTest, IsReadableByItsOwnerOnly) {
  SqliteStore store(file_);
  store.txn({}, {{"a", "1"}}, Durability::process);
  for (const char* name : {"netd.db", "netd.db-wal", "netd.db-shm"}) {
    struct stat status {};
    ASSERT_EQ(stat((directory_.path() / name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsRefusedAndLeftAlone) {
  const std::string junk(5000, 'j');
  std::ofstream(file_) << junk;
  EXPECT_THAT(refusal(),
              HasSubstr("open " + file_.string() +
                        ": file is not a database; the file is "
                        "damaged and was left as it is; put a copy of it back, or move it "
                        "away"));
  EXPECT_EQ(content(file_), junk);
}

TEST_F(SqliteStoreTest, ADamagedPageIsFoundAtOpeningAndTheFileLeftAlone) {
  {
    SqliteStore store(file_);
    for (int i = 0; i < 200; ++i)
      store.txn({}, {{"key" + std::to_string(i), std::string(500, 'v')}}, Durability::process);
  }
  std::fstream(file_, std::ios::in | std::ios::out).seekp(2 * 4096) << std::string(4096, '\xee');
  const std::string damaged = content(file_);
  EXPECT_THAT(refusal(), HasSubstr("the file is damaged and was left as it is"));
  EXPECT_EQ(content(file_), damaged);
}

TEST_F(SqliteStoreTest, ATruncatedFileIsRefused) {
  {
    SqliteStore store(file_);
    for (int i = 0; i < 50; ++i)
      store.txn({}, {{"key" + std::to_string(i), std::string(500, 'v')}}, Durability::process);
  }
  fs::resize_file(file_, 4 * 4096);
  EXPECT_THAT(refusal(), HasSubstr("the file is damaged and was left as it is"));
}

TEST_F(SqliteStoreTest, ADatabaseOfANewerNetdIsRefusedAndLeftAlone) {
  { SqliteStore store(file_); }
  execute(file_, "PRAGMA user_version = 3");
  const std::string before = content(file_);
  EXPECT_THAT(refusal(), HasSubstr("a newer netd wrote it (schema 3, this netd " NETD_VERSION
                                   " knows up to 2); it was left as it is. Run that netd again"));
  EXPECT_EQ(content(file_), before);
}

TEST_F(SqliteStoreTest, AnotherProgramsDatabaseIsRefused) {
  execute(file_, "CREATE TABLE bookmarks (url TEXT)");
  EXPECT_THAT(refusal(), HasSubstr("this is another program's database, not netd's"));
}

TEST_F(SqliteStoreTest, AMissingDirectoryIsNamed) {
  file_ = directory_.path() / "nowhere" / "netd.db";
  EXPECT_EQ(refusal(), "create " + file_.string() + ": No such file or directory");
}

TEST_F(SqliteStoreTest, AFailureBetweenMakingTheFileAndItsTablesIsMadeGood) {
  execute(file_, "PRAGMA journal_mode=WAL");
  SqliteStore store(file_);
  EXPECT_EQ(store.txn({}, {{"a", "1"}}, Durability::process).revision, 1);
}

TEST_F(SqliteStoreTest, AReaderBesideItDisturbsNothing) {
  SqliteStore store(file_);
  store.txn({}, {{"a", "1"}}, Durability::process);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT * FROM entries", nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_EQ(store.txn({}, {{"a", "2"}}, Durability::power).revision, 2);
  sqlite3_close(reader);
}

TEST_F(SqliteStoreTest, TheLogIsCheckpointedWhileItIsWritten) {
  SqliteStore store(file_);
  const std::string value(20'000, 'v');
  std::uintmax_t longest = 0;
  for (int i = 0; i < 8000; ++i) {
    store.txn({}, {{"key" + std::to_string(i % 10), value}}, Durability::process);
    longest = std::max(longest, fs::file_size(file_.string() + "-wal"));
  }
  // 8,000 commits of some 6 pages are 200 MB without checkpoints.
  EXPECT_LT(longest, 100'000'000u);
}

/// The text of the StoreError `compacted` that a watch since then is refused with.
std::string refused(netd::Store& store, netd::Revision since) {
  try {
    store.watch("", since, {.changed = [](const netd::Watched&) {}});
  } catch (const netd::StoreError& error) {
    EXPECT_EQ(error.kind, netd::StoreError::Kind::compacted);
    return error.what();
  }
  return "it was not";
}

TEST_F(SqliteStoreTest, EveryTransactionHasARevisionOfItsOwn) {
  SqliteStore store(file_);
  EXPECT_EQ(store.txn({}, {{"a", std::nullopt}}, Durability::process).revision, 1);
  EXPECT_EQ(store.txn({}, {}, Durability::process).revision, 2);
}

TEST_F(SqliteStoreTest, KeepsAValueOfMegabytes) {
  SqliteStore store(file_);
  store.txn({}, {{"a", std::string(3'000'000, 'x')}}, Durability::process);
  EXPECT_EQ(store.get("a")->value.size(), 3'000'000u);
}

TEST_F(SqliteStoreTest, OpensWhatTheFirstSchemaHolds) {
  execute(file_,
          "PRAGMA journal_mode=WAL; PRAGMA application_id = 0x6e657464; PRAGMA user_version = 1;"
          "CREATE TABLE entries (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL,"
          "                      revision INTEGER NOT NULL);"
          "CREATE TABLE last_revision (revision INTEGER NOT NULL);"
          "INSERT INTO last_revision VALUES (7);"
          "INSERT INTO entries VALUES ('networks/1', CAST('{}' AS BLOB), 5)");
  SqliteStore store(file_);
  EXPECT_EQ(store.revision(), 7);
  EXPECT_EQ(store.get("networks/1"), (netd::Entry{"networks/1", "{}", 5}));
  const auto lease = store.grant(std::chrono::seconds(9));
  store.txn({}, {{"networks/1", "new", lease}}, Durability::process);
  store.revoke(lease);
  EXPECT_FALSE(store.get("networks/1"));
}

TEST_F(SqliteStoreTest, ACallbackMayWriteAndEveryWatchStillHearsInOrder) {
  SqliteStore store(file_);
  std::string first;
  std::string second;
  const auto writing = store.watch("", 0, {.changed = [&](const netd::Watched& watched) {
                                     first += watched.change.key;
                                     if (watched.change.key == "a")
                                       store.txn({}, {{"b", "1"}}, Durability::process);
                                   }});
  const auto reading = store.watch(
      "", 0, {.changed = [&](const netd::Watched& watched) { second += watched.change.key; }});
  store.txn({}, {{"a", "1"}}, Durability::process);
  EXPECT_EQ(first, "ab");
  EXPECT_EQ(second, "ab");
}

TEST_F(SqliteStoreTest, LeasesBeginAnewWhenItIsOpened) {
  auto now = std::chrono::steady_clock::time_point();
  const auto clock = [&] { return now; };
  netd::Lease lease = 0;
  {
    SqliteStore store(file_, clock);
    lease = store.grant(std::chrono::seconds(15));
    store.txn({}, {{"live", "", lease}}, Durability::process);
    now += std::chrono::seconds(14);
  }
  SqliteStore store(file_, clock);
  now += std::chrono::seconds(14);
  EXPECT_TRUE(store.get("live"));
  now += std::chrono::seconds(1);
  EXPECT_FALSE(store.get("live"));
}

TEST_F(SqliteStoreTest, ForgetsOldChangesInBytes) {
  SqliteStore store(file_);
  for (int i = 0; i < 40; ++i)
    store.txn({}, {{"a", std::string(100'000, 'v')}}, Durability::process);
  EXPECT_EQ(refused(store, 29), "watch  from revision 29: changes up to 30 are not kept");
  int heard = 0;
  const auto watch = store.watch("", 30, {.changed = [&](const netd::Watched&) { ++heard; }});
  EXPECT_EQ(heard, 10);
}

/// Writes "n" under "n" for n = 1, 2, …, and a line "n" into `report` after each commit.
[[noreturn]] void write_until_killed(const fs::path& file, int report) {
  SqliteStore store(file);
  const std::string filler(3000, '.');
  for (int n = 1;; ++n) {
    const std::string number = std::to_string(n);
    store.txn({}, {{"n/" + number, number + filler}, {"last", number}}, Durability::process);
    const std::string line = number + "\n";
    if (write(report, line.data(), line.size()) < 0) _exit(1);
  }
}

TEST_F(SqliteStoreTest, KillingTheWriterLosesNoCommittedTransactionAndNoHalfOne) {
  for (int round = 0; round < 8; ++round) {
    file_ = directory_.path() / ("netd" + std::to_string(round) + ".db");
    int pipe_ends[2];
    ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(file_, pipe_ends[1]);
    close(pipe_ends[1]);

    // The child dies wherever it is when this many bytes of its report are there.
    std::string report;
    char buffer[64];
    while (report.size() < 500u + 997u * static_cast<unsigned>(round)) {
      const ssize_t got = read(pipe_ends[0], buffer, sizeof buffer);
      ASSERT_GT(got, 0);
      report.append(buffer, static_cast<std::size_t>(got));
    }
    kill(child, SIGKILL);
    for (ssize_t got; (got = read(pipe_ends[0], buffer, sizeof buffer)) > 0;)
      report.append(buffer, static_cast<std::size_t>(got));
    waitpid(child, nullptr, 0);
    close(pipe_ends[0]);

    const auto committed = static_cast<std::size_t>(std::count(report.begin(), report.end(), '\n'));
    SqliteStore store(file_);
    const auto last = std::stoul(store.get("last")->value);
    EXPECT_GE(last, committed);
    EXPECT_LE(last, committed + 1);  // committed, and killed before it could say so
    EXPECT_EQ(store.list("n/").size(), last);
    EXPECT_EQ(store.revision(), static_cast<netd::Revision>(last));
  }
}

class SqliteStoreDiskTest : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    shell("mkdir /run/state && mount -t tmpfs -o size=400k tmpfs /run/state");
  }
};

TEST_F(SqliteStoreDiskTest, AFullDiskIsAnErrorWithNothingHalfDoneAndHealsWithRoom) {
  SqliteStore store("/run/state/netd.db");
  store.txn({}, {{"a", "1"}}, Durability::power);
  shell("head -c 10M /dev/zero > /run/state/ballast || true");
  std::string message;
  try {
    store.txn({}, {{"a", "2"}, {"b", std::string(300'000, 'b')}}, Durability::power);
  } catch (const netd::Error& error) {
    message = error.what();
  }
  EXPECT_THAT(message, HasSubstr("write a to /run/state/netd.db: "));
  EXPECT_THAT(message, HasSubstr("free some space on the disk of /run/state"));
  EXPECT_EQ(store.get("a")->value, "1");
  EXPECT_FALSE(store.get("b"));
  EXPECT_EQ(store.revision(), 1);

  shell("rm /run/state/ballast");
  EXPECT_EQ(store.txn({}, {{"a", "3"}}, Durability::power).revision, 2);
}

TEST_F(SqliteStoreDiskTest, AReadOnlyDiskIsRefusedWithTheRemedy) {
  shell("mount -o remount,ro /run/state");
  EXPECT_THROW(SqliteStore("/run/state/netd.db"), netd::Error);
}

}  // namespace
}  // namespace tests
