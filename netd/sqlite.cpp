#include "netd/sqlite.h"

#include <system_error>

namespace netd::sqlite {

Connection::Connection(const std::filesystem::path& file) {
  sqlite3* handle = nullptr;
  // NOMUTEX: a connection is used by one thread at a time, so SQLite needn't lock it.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (!handle) throw Failure(SQLITE_NOMEM, "out of memory");
  if (code != SQLITE_OK) fail();
}

void Connection::fail() const {
  const int code = sqlite3_extended_errcode(get()) & 0xff;
  std::string text = sqlite3_errmsg(get());
  const int system = sqlite3_system_errno(get());
  // Other codes leave the number of an older failure behind.
  if (system != 0 && (code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_FULL))
    text += ": " + std::system_category().message(system);
  throw Failure(code, text);
}

void Connection::execute(const char* sql) {
  if (sqlite3_exec(get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

std::int64_t Connection::query_integer(const char* sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Connection::query_text(const char* sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.bytes(0) : std::string();
}

Statement::Statement(Connection& connection, std::string_view sql) : connection_(&connection) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) connection.fail();
}

Statement& Statement::bind(int parameter, std::string_view text) {
  if (sqlite3_bind_text64(handle_.get(), parameter, text.data(), text.size(), SQLITE_STATIC,
                          SQLITE_UTF8) != SQLITE_OK)
    connection_->fail();
  return *this;
}

Statement& Statement::bind(int parameter, std::int64_t number) {
  if (sqlite3_bind_int64(handle_.get(), parameter, number) != SQLITE_OK) connection_->fail();
  return *this;
}

Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
  // A null pointer would bind NULL, which is not an empty value.
  const char* data = bytes.empty() ? "" : bytes.data();
  if (sqlite3_bind_blob64(handle_.get(), parameter, data, bytes.size(), SQLITE_STATIC) != SQLITE_OK)
    connection_->fail();
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  // The connection's error is read first: reset may replace it.
  try {
    connection_->fail();
  } catch (...) {
    reset();
    throw;
  }
}

void Statement::run() {
  if (step()) reset();
}

std::string Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return data ? std::string(static_cast<const char*>(data), static_cast<std::size_t>(size))
              : std::string();
}

}  // namespace netd::sqlite
