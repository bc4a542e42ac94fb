#include "netd/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

#include "netd/checkpointer.h"
#include "netd/error.h"
#include "netd/sqlite.h"
#include "netd/watch_feed.h"

namespace netd {
namespace {

constexpr std::int64_t application_id = 0x6e657464;  // "netd"; file(1) and sqlite3(1) show it

// A table with row ids: values are kilobytes, which WITHOUT ROWID would put into the index's nodes.
constexpr const char* schema = R"(
  BEGIN IMMEDIATE;
  PRAGMA application_id = 0x6e657464;
  PRAGMA user_version = 1;
  CREATE TABLE entries (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, revision INTEGER NOT NULL);
  CREATE TABLE last_revision (revision INTEGER NOT NULL);
  INSERT INTO last_revision VALUES (0);
  COMMIT)";

/// What to do about a failure, for the end of its message.
std::string remedy(const sqlite::Failure& failure, const std::filesystem::path& file) {
  const std::string name = file.string();
  switch (failure.code()) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return fmt::format(
          "the file is damaged and was left as it is; put a copy of it back, or move it away with "
          "its "
          "log (for f in {0}*; do mv $f $f.damaged; done) and start netd anew: it then knows no "
          "networks, and `netctl system purge` removes what containers still have",
          name);
    case SQLITE_FULL:
      return "free some space on the disk of " + file.parent_path().string();
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "netd has to be able to write there (root, not a read-only mount)";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program holds it locked; close it (fuser " + name + " shows which)";
    default:
      return "see the kernel's log for trouble with the disk";
  }
}

Error store_error(std::string_view act, const sqlite::Failure& failure,
                  const std::filesystem::path& file) {
  return {ErrorKind::internal,
          fmt::format("{} {}: {}; {}", act, file.string(), failure.what(), remedy(failure, file))};
}

/// An empty file is an empty database. SQLite would make it readable for all; labels and options in
/// it are nobody else's business. True when there was none.
bool make_file(const std::filesystem::path& file) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    if (errno == EEXIST) return false;
    throw Error(ErrorKind::internal,
                fmt::format("create {}: {}", file.string(), std::system_category().message(errno)));
  }
  close(fd);
  return true;
}

/// The new file's name has to survive power loss as well.
void sync_directory(const std::filesystem::path& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // fsync of a directory is best effort, as in SQLite itself
  fsync(fd);
  close(fd);
}

void check_identity(sqlite::Connection& connection, const std::filesystem::path& file) {
  const auto identity = connection.query_integer("PRAGMA application_id");
  const auto version = connection.query_integer("PRAGMA user_version");
  const auto tables = connection.query_integer("SELECT count(*) FROM sqlite_schema");
  if (identity == 0 && version == 0 && tables == 0) return;  // new
  if (identity != application_id)
    throw Error(
        ErrorKind::internal,
        fmt::format("open {0}: this is another program's database, not netd's; it was left as it "
                    "is. Move it away, or give netd another --state-dir",
                    file.string()));
  if (version > SqliteStore::schema_version)
    throw Error(
        ErrorKind::internal,
        fmt::format("open {0}: a newer netd wrote it (schema {1}, this netd {2} knows up to {3}); "
                    "it was left as it is. Run that netd again, or move {0} away to begin "
                    "without networks",
                    file.string(), version, NETD_VERSION, SqliteStore::schema_version));
}

void check_content(sqlite::Connection& connection) {
  const std::string found = connection.query_text("PRAGMA quick_check(1)");
  if (found != "ok") throw sqlite::Failure(SQLITE_CORRUPT, found);
}

/// A truncating checkpoint or a person with sqlite3(1) holds the lock: asks again for ten seconds.
/// SQLite's own handler would sleep up to 100 ms at a time, on the control thread.
int wait_for_lock(void*, int attempts) {
  constexpr useconds_t pause = 200;
  usleep(pause);
  return attempts < 50'000;
}

sqlite::Connection open_database(const std::filesystem::path& file) {
  const bool made = make_file(file);
  try {
    sqlite::Connection connection(file);
    sqlite3_busy_handler(connection.get(), wait_for_lock, nullptr);
    check_identity(connection, file);
    check_content(connection);
    connection.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
        "PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY");
    if (connection.query_integer("PRAGMA user_version") == 0) connection.execute(schema);
    connection.execute("PRAGMA synchronous=NORMAL");
    if (made) sync_directory(file.parent_path());
    return connection;
  } catch (const sqlite::Failure& failure) {
    throw store_error("open", failure, file);
  }
}

/// The first key that doesn't begin with `prefix` and comes after those that do; empty = there is
/// none.
std::string end_of(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff)
    prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

struct SqliteStore::State {
  explicit State(const std::filesystem::path& database)
      : file(database),
        connection(open_database(database)),
        revision(connection.query_integer("SELECT revision FROM last_revision")),
        feed(revision, {.changes = kept_changes, .bytes = kept_bytes}),
        checkpointer(database) {
    sqlite3_wal_hook(connection.get(), &State::committed, this);
  }

  static int committed(void* state, sqlite3*, const char*, int pages) {
    static_cast<State*>(state)->checkpointer.committed(pages);
    return SQLITE_OK;
  }

  bool holds(const Compare& compare);
  bool make(const Change& change, Revision at);
  void set_revision(Revision to) { put_revision.bind(1, to).run(); }

  std::filesystem::path file;
  sqlite::Connection connection;
  Revision revision;
  WatchFeed feed;

  sqlite::Statement select{connection, "SELECT value, revision FROM entries WHERE key = ?"};
  sqlite::Statement select_revision{connection, "SELECT revision FROM entries WHERE key = ?"};
  sqlite::Statement select_all{
      connection, "SELECT key, value, revision FROM entries WHERE key >= ? ORDER BY key"};
  sqlite::Statement select_below{
      connection,
      "SELECT key, value, revision FROM entries WHERE key >= ? AND key < ? ORDER BY key"};
  sqlite::Statement put{connection,
                        "INSERT INTO entries (key, value, revision) VALUES (?1, ?2, ?3) "
                        "ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3"};
  sqlite::Statement erase{connection, "DELETE FROM entries WHERE key = ?"};
  sqlite::Statement put_revision{connection, "UPDATE last_revision SET revision = ?"};
  sqlite::Statement begin{connection, "BEGIN IMMEDIATE"};
  sqlite::Statement commit{connection, "COMMIT"};
  sqlite::Statement rollback{connection, "ROLLBACK"};

  Checkpointer checkpointer;  // after the statements: ends before the connection closes
};

bool SqliteStore::State::holds(const Compare& compare) {
  auto& statement = select_revision.bind(1, compare.key);
  Revision found = 0;
  if (statement.step()) {
    found = statement.integer(0);
    statement.reset();
  }
  return found == compare.revision;
}

/// False when it was a deletion of an absent key.
bool SqliteStore::State::make(const Change& change, Revision at) {
  if (change.value) {
    put.bind(1, change.key).bind_blob(2, *change.value).bind(3, at).run();
    return true;
  }
  erase.bind(1, change.key).run();
  return sqlite3_changes(connection.get()) > 0;
}

namespace {

/// BEGIN … COMMIT; rolls back unless committed.
class Transaction {
 public:
  Transaction(sqlite::Connection& connection, sqlite::Statement& begin, sqlite::Statement& commit,
              sqlite::Statement& rollback, Durability durability)
      : connection_(connection), commit_(commit), rollback_(rollback), durability_(durability) {
    // FULL syncs the log after the commit, and with it everything that NORMAL commits have put
    // there before; what is no longer in the log was synced by the checkpoint.
    if (durability_ == Durability::power) connection_.execute("PRAGMA synchronous=FULL");
    try {
      begin.run();
    } catch (...) {
      restore_synchronous();
      throw;
    }
  }
  ~Transaction() {
    // A failed COMMIT (disk full) has rolled back by itself, or left the transaction open.
    try {
      if (sqlite3_get_autocommit(connection_.get()) == 0) rollback_.run();
    } catch (const sqlite::Failure&) {
      // SQLite rolls back when it is asked next: nothing of it is in the log's index.
    }
    restore_synchronous();
  }
  void commit() { commit_.run(); }

 private:
  void restore_synchronous() noexcept {
    if (durability_ == Durability::power)
      sqlite3_exec(connection_.get(), "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr);
  }

  sqlite::Connection& connection_;
  sqlite::Statement& commit_;
  sqlite::Statement& rollback_;
  Durability durability_;
};

}  // namespace

SqliteStore::SqliteStore(const std::filesystem::path& file) {
  try {
    state_ = std::make_unique<State>(file);
  } catch (const sqlite::Failure& failure) {
    throw store_error("open", failure, file);
  }
}

SqliteStore::~SqliteStore() = default;

Revision SqliteStore::revision() const {
  return state_->revision;
}

std::optional<Entry> SqliteStore::get(const std::string& key) try {
  auto& statement = state_->select.bind(1, key);
  if (!statement.step()) return std::nullopt;
  Entry entry{key, statement.bytes(0), statement.integer(1)};
  statement.reset();
  return entry;
} catch (const sqlite::Failure& failure) {
  throw store_error("read " + key + " from", failure, state_->file);
}

std::vector<Entry> SqliteStore::list(const std::string& prefix) try {
  const std::string end = end_of(prefix);
  auto& statement = end.empty() ? state_->select_all : state_->select_below;
  statement.bind(1, prefix);
  if (!end.empty()) statement.bind(2, end);
  std::vector<Entry> entries;
  while (statement.step())
    entries.push_back({statement.bytes(0), statement.bytes(1), statement.integer(2)});
  return entries;
} catch (const sqlite::Failure& failure) {
  throw store_error("read " + prefix + "* from", failure, state_->file);
}

std::optional<Revision> SqliteStore::txn(const std::vector<Compare>& compares,
                                         const std::vector<Change>& changes,
                                         Durability durability) {
  State& s = *state_;
  const Revision next = s.revision + 1;
  std::vector<Change> made;
  try {
    Transaction transaction(s.connection, s.begin, s.commit, s.rollback, durability);
    for (const Compare& compare : compares)
      if (!s.holds(compare)) return std::nullopt;
    for (const Change& change : changes)
      if (s.make(change, next)) made.push_back(change);
    s.set_revision(next);
    transaction.commit();
  } catch (const sqlite::Failure& failure) {
    s.checkpointer.request();
    const std::string object = changes.empty() ? "to" : changes.front().key + " to";
    throw store_error("write " + object, failure, s.file);
  }
  s.revision = next;
  s.feed.tell(next, std::move(made));
  return next;
}

std::shared_ptr<void> SqliteStore::watch(const std::string& prefix, Revision since,
                                         Callback callback) {
  return state_->feed.watch(prefix, since, std::move(callback));
}

}  // namespace netd
