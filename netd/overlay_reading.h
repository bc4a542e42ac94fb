// What the readers of the cluster's store have in common.
#pragma once

#include <optional>
#include <string>

#include "netd/cluster/values.h"
#include "netd/log.h"

namespace netd {

/// So much goes at once only where something is wrong, with the store or with us: it is looked at
/// once more.
inline bool is_suspicious(std::size_t going, std::size_t known) {
  constexpr std::size_t few = 10;
  return going > few && 2 * going > known;
}

/// Nothing, and a line in the log, for a value that can't be read.
template <class Value>
std::optional<Value> read_value(const std::string& key, const std::string& text) {
  try {
    return cluster::parse_value<Value>(text);
  } catch (const cluster::BadValue& error) {
    log::warn("the cluster's store has what this netd can't read, going on without",
              {{"key", key}, {"error", error.what()}});
    return std::nullopt;
  }
}

}  // namespace netd
