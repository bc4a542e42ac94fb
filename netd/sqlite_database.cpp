#include "netd/sqlite_database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "netd/sqlite_store.h"

namespace netd {
namespace {

constexpr std::int64_t application_id = 0x6e657464;  // "netd"; file(1) and sqlite3(1) show it

// What makes a database of version i one of version i + 1. A table with row ids: values are
// kilobytes, which WITHOUT ROWID would put into the index's nodes.
constexpr std::array<const char*, SqliteStore::schema_version> steps = {
    R"(
  BEGIN IMMEDIATE;
  PRAGMA application_id = 0x6e657464;
  PRAGMA user_version = 1;
  CREATE TABLE entries (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, revision INTEGER NOT NULL);
  CREATE TABLE last_revision (revision INTEGER NOT NULL);
  INSERT INTO last_revision VALUES (0);
  COMMIT)",
    // AUTOINCREMENT: who still holds a lease that ran out doesn't keep another's alive.
    R"(
  BEGIN IMMEDIATE;
  PRAGMA user_version = 2;
  CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, seconds INTEGER NOT NULL);
  ALTER TABLE entries ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX leased ON entries (lease) WHERE lease <> 0;
  COMMIT)"};

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

}  // namespace

Error store_error(std::string_view act, const sqlite::Failure& failure,
                  const std::filesystem::path& file) {
  return {ErrorKind::internal,
          fmt::format("{} {}: {}; {}", act, file.string(), failure.what(), remedy(failure, file))};
}

sqlite::Connection open_store_database(const std::filesystem::path& file) {
  const bool made = make_file(file);
  try {
    sqlite::Connection connection(file);
    sqlite3_busy_handler(connection.get(), wait_for_lock, nullptr);
    check_identity(connection, file);
    check_content(connection);
    connection.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
        "PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY");
    const auto version = static_cast<std::size_t>(connection.query_integer("PRAGMA user_version"));
    for (std::size_t step = version; step < steps.size(); ++step)
      connection.execute(steps[step]);
    connection.execute("PRAGMA synchronous=NORMAL");
    if (made) sync_directory(file.parent_path());
    return connection;
  } catch (const sqlite::Failure& failure) {
    throw store_error("open", failure, file);
  }
}

}  // namespace netd
