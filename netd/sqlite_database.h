// The file of a SqliteStore: made, found to be in order, brought up to this netd's schema.
#pragma once

#include <filesystem>
#include <string_view>

#include "netd/error.h"
#include "netd/sqlite.h"

namespace netd {

/// As SqliteStore's constructor.
sqlite::Connection open_store_database(const std::filesystem::path& file);

/// "ACT FILE: what SQLite says; what to do about it"
Error store_error(std::string_view act, const sqlite::Failure& failure,
                  const std::filesystem::path& file);

}  // namespace netd
