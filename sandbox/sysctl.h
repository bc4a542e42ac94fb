// Kernel parameters below /proc/sys, of the calling thread's network namespace: run these through
// in_netns (netns.h) for another one.
//
// A key is the path below /proc/sys ("net/ipv6/conf/eth0/accept_ra"), because an interface's name
// may hold dots.
#pragma once

#include <optional>
#include <string>

namespace sandbox {

/// The value without its trailing newline; nothing when there is no such key.
/// Throws std::invalid_argument for a key that leaves /proc/sys, std::system_error.
std::optional<std::string> read_sysctl(const std::string& key);

/// Sets the value, but only when it differs: a read-only /proc/sys that is right already is no
/// failure. Runs of white space count as one. Throws std::invalid_argument for a key that leaves
/// /proc/sys, std::system_error (ENOENT when there is no such key, EROFS, EINVAL for the value).
void write_sysctl(const std::string& key, const std::string& value);

}  // namespace sandbox
