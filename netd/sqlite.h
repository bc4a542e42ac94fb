// A thin, typed face of SQLite's C interface (sqlite.org/c3ref): what SqliteStore and Checkpointer
// need.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace netd::sqlite {

/// SQLite refused. `what()` is its text, with errno's where there is one.
class Failure : public std::runtime_error {
 public:
  Failure(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
  /// Primary result code: SQLITE_FULL, SQLITE_CORRUPT, …
  int code() const { return code_; }

 private:
  int code_;
};

/// One open database, for one thread at a time. All calls throw Failure.
class Connection {
 public:
  /// Opens an existing file for reading and writing.
  explicit Connection(const std::filesystem::path& file);
  sqlite3* get() const { return handle_.get(); }
  void execute(const char* sql);
  /// The first column of the first row; 0 without a row.
  std::int64_t query_integer(const char* sql);
  std::string query_text(const char* sql);
  [[noreturn]] void fail() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement. `bind` as often as it has parameters, `step` until it is false (then it is
/// ready for the next use), read columns in between.
class Statement {
 public:
  Statement(Connection& connection, std::string_view sql);
  /// Parameters count from 1. The bytes must live until the statement has been reset.
  Statement& bind(int parameter, std::string_view text);
  Statement& bind(int parameter, std::int64_t number);
  Statement& bind_blob(int parameter, std::string_view bytes);
  /// True when there is a row. Resets after the last one and before it throws.
  bool step();
  /// Steps once and resets: for statements that return no rows.
  void run();
  void reset() { sqlite3_reset(handle_.get()); }
  /// Columns count from 0.
  std::string bytes(int column) const;
  std::int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  Connection* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

}  // namespace netd::sqlite
