#include "netd/sqlite_store.h"

#include <map>

#include "netd/checkpointer.h"
#include "netd/sqlite_database.h"
#include "netd/watch_feed.h"

namespace netd {
namespace {

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
  State(const std::filesystem::path& database, Clock now_)
      : file(database),
        now(std::move(now_)),
        connection(open_store_database(database)),
        revision(connection.query_integer("SELECT revision FROM last_revision")),
        feed(revision, {.changes = kept_changes, .bytes = kept_bytes}),
        checkpointer(database) {
    sqlite3_wal_hook(connection.get(), &State::committed, this);
    load_leases();
  }

  static int committed(void* state, sqlite3*, const char*, int pages) {
    static_cast<State*>(state)->checkpointer.committed(pages);
    return SQLITE_OK;
  }

  bool holds(const Compare& compare);
  std::optional<Entry> find(const std::string& key);
  sqlite::Statement& bind_range(const std::string& prefix);
  std::optional<Entry> first_below(const std::string& prefix);
  std::vector<Entry> what_there_is(const std::vector<Compare>& compares);
  void check_leases(const std::vector<Change>& changes) const;
  bool make(const Change& change, Revision at);
  void set_revision(Revision to) { put_revision.bind(1, to).run(); }
  void told(Revision at, std::vector<Change> changes) {
    revision = at;
    feed.tell(at, std::move(changes));
  }

  struct Held {
    std::chrono::seconds time_to_live;
    std::chrono::steady_clock::time_point until;
  };
  void load_leases();
  void hold(Lease lease, std::chrono::seconds time_to_live) {
    leases[lease] = {time_to_live, now() + time_to_live};
  }
  void end_lease(Lease lease);
  void end_leases_that_ran_out();

  std::filesystem::path file;
  Clock now;
  std::map<Lease, Held> leases;
  sqlite::Connection connection;
  Revision revision;
  WatchFeed feed;

  std::string range_end;
  sqlite::Statement select{connection, "SELECT value, revision FROM entries WHERE key = ?"};
  sqlite::Statement select_revision{connection, "SELECT revision FROM entries WHERE key = ?"};
  sqlite::Statement select_all{
      connection, "SELECT key, value, revision FROM entries WHERE key >= ? ORDER BY key"};
  sqlite::Statement select_below{
      connection,
      "SELECT key, value, revision FROM entries WHERE key >= ? AND key < ? ORDER BY key"};
  sqlite::Statement put{connection,
                        "INSERT INTO entries (key, value, revision, lease) VALUES (?1, ?2, ?3, ?4) "
                        "ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, lease = ?4"};
  sqlite::Statement erase{connection, "DELETE FROM entries WHERE key = ?"};
  sqlite::Statement select_leased{connection,
                                  "SELECT key FROM entries WHERE lease = ? AND lease <> 0"};
  sqlite::Statement put_lease{connection, "INSERT INTO leases (seconds) VALUES (?)"};
  sqlite::Statement erase_lease{connection, "DELETE FROM leases WHERE id = ?"};
  sqlite::Statement put_revision{connection, "UPDATE last_revision SET revision = ?"};
  sqlite::Statement begin{connection, "BEGIN IMMEDIATE"};
  sqlite::Statement commit{connection, "COMMIT"};
  sqlite::Statement rollback{connection, "ROLLBACK"};

  Checkpointer checkpointer;  // after the statements: ends before the connection closes
};

bool SqliteStore::State::holds(const Compare& compare) {
  if (compare.prefix) return !first_below(compare.key);
  auto& statement = select_revision.bind(1, compare.key);
  Revision found = 0;
  if (statement.step()) {
    found = statement.integer(0);
    statement.reset();
  }
  return found == compare.revision;
}

std::optional<Entry> SqliteStore::State::find(const std::string& key) {
  auto& statement = select.bind(1, key);
  if (!statement.step()) return std::nullopt;
  Entry entry{key, statement.bytes(0), statement.integer(1)};
  statement.reset();
  return entry;
}

/// A statement that gives the entries below `prefix`. The bytes stay bound until it is reset.
sqlite::Statement& SqliteStore::State::bind_range(const std::string& prefix) {
  range_end = end_of(prefix);
  if (range_end.empty()) return select_all.bind(1, prefix);
  return select_below.bind(1, prefix).bind(2, range_end);
}

std::optional<Entry> SqliteStore::State::first_below(const std::string& prefix) {
  auto& statement = bind_range(prefix);
  if (!statement.step()) return std::nullopt;
  Entry entry{statement.bytes(0), statement.bytes(1), statement.integer(2)};
  statement.reset();
  return entry;
}

std::vector<Entry> SqliteStore::State::what_there_is(const std::vector<Compare>& compares) {
  std::vector<Entry> entries;
  for (const Compare& compare : compares)
    if (auto entry = compare.prefix ? first_below(compare.key) : find(compare.key))
      entries.push_back(std::move(*entry));
  return entries;
}

void SqliteStore::State::check_leases(const std::vector<Change>& changes) const {
  for (const Change& change : changes)
    if (change.lease != 0 && !leases.contains(change.lease))
      throw StoreError(StoreError::Kind::no_lease,
                       "write " + change.key + ": its lease has run out");
}

/// False when it was a deletion of an absent key.
bool SqliteStore::State::make(const Change& change, Revision at) {
  if (change.value) {
    put.bind(1, change.key).bind_blob(2, *change.value).bind(3, at).bind(4, change.lease).run();
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

/// How long netd was away isn't known on this clock: leases begin anew.
void SqliteStore::State::load_leases() {
  sqlite::Statement statement(connection, "SELECT id, seconds FROM leases");
  while (statement.step())
    hold(statement.integer(0), std::chrono::seconds(statement.integer(1)));
}

void SqliteStore::State::end_lease(Lease lease) {
  std::vector<Change> changes;
  const Revision next = revision + 1;
  {
    Transaction transaction(connection, begin, commit, rollback, Durability::process);
    select_leased.bind(1, lease);
    while (select_leased.step())
      changes.push_back({select_leased.bytes(0), std::nullopt});
    for (const Change& change : changes)
      make(change, next);
    erase_lease.bind(1, lease).run();
    if (!changes.empty()) set_revision(next);
    transaction.commit();
  }
  leases.erase(lease);
  if (!changes.empty()) told(next, std::move(changes));
}

void SqliteStore::State::end_leases_that_ran_out() {
  if (leases.empty()) return;
  const auto moment = now();
  std::vector<Lease> over;
  for (const auto& [lease, held] : leases)
    if (held.until <= moment) over.push_back(lease);
  for (const Lease lease : over)
    end_lease(lease);
}

SqliteStore::SqliteStore(const std::filesystem::path& file, Clock now) {
  try {
    state_ = std::make_unique<State>(file, std::move(now));
  } catch (const sqlite::Failure& failure) {
    throw store_error("open", failure, file);
  }
}

SqliteStore::~SqliteStore() = default;

Revision SqliteStore::revision() const {
  return state_->revision;
}

std::optional<Entry> SqliteStore::get(const std::string& key) try {
  state_->end_leases_that_ran_out();
  return state_->find(key);
} catch (const sqlite::Failure& failure) {
  throw store_error("read " + key + " from", failure, state_->file);
}

Snapshot SqliteStore::snapshot(const std::string& prefix) try {
  state_->end_leases_that_ran_out();
  Snapshot snapshot{.revision = state_->revision, .entries = {}};
  auto& statement = state_->bind_range(prefix);
  while (statement.step())
    snapshot.entries.push_back({statement.bytes(0), statement.bytes(1), statement.integer(2)});
  return snapshot;
} catch (const sqlite::Failure& failure) {
  throw store_error("read " + prefix + "* from", failure, state_->file);
}

Outcome SqliteStore::txn(const std::vector<Compare>& compares, const std::vector<Change>& changes,
                         Durability durability) {
  State& s = *state_;
  std::vector<Change> made;
  Revision next = 0;
  try {
    s.end_leases_that_ran_out();
    s.check_leases(changes);
    next = s.revision + 1;
    Transaction transaction(s.connection, s.begin, s.commit, s.rollback, durability);
    for (const Compare& compare : compares)
      if (!s.holds(compare)) return {.revision = 0, .found = s.what_there_is(compares)};
    for (const Change& change : changes)
      if (s.make(change, next)) made.push_back(change);
    s.set_revision(next);
    transaction.commit();
  } catch (const sqlite::Failure& failure) {
    s.checkpointer.request();
    const std::string object = changes.empty() ? "to" : changes.front().key + " to";
    throw store_error("write " + object, failure, s.file);
  }
  s.told(next, std::move(made));
  return {.revision = next, .found = {}};
}

std::shared_ptr<void> SqliteStore::watch(const std::string& prefix, Revision since,
                                         Watcher watcher) try {
  state_->end_leases_that_ran_out();
  return state_->feed.watch(prefix, since, std::move(watcher));
} catch (const sqlite::Failure& failure) {
  throw store_error("write to", failure, state_->file);
}

Lease SqliteStore::grant(std::chrono::seconds time_to_live) try {
  state_->end_leases_that_ran_out();
  state_->put_lease.bind(1, std::int64_t{time_to_live.count()}).run();
  const Lease lease = sqlite3_last_insert_rowid(state_->connection.get());
  state_->hold(lease, time_to_live);
  return lease;
} catch (const sqlite::Failure& failure) {
  throw store_error("write a lease to", failure, state_->file);
}

void SqliteStore::keep_alive(Lease lease) try {
  state_->end_leases_that_ran_out();
  const auto found = state_->leases.find(lease);
  if (found == state_->leases.end())
    throw StoreError(StoreError::Kind::no_lease,
                     "keep lease " + std::to_string(lease) + " alive: it has run out");
  found->second.until = state_->now() + found->second.time_to_live;
} catch (const sqlite::Failure& failure) {
  throw store_error("write a lease to", failure, state_->file);
}

void SqliteStore::revoke(Lease lease) try {
  state_->end_leases_that_ran_out();
  if (state_->leases.contains(lease)) state_->end_lease(lease);
} catch (const sqlite::Failure& failure) {
  throw store_error("write a lease to", failure, state_->file);
}

}  // namespace netd
