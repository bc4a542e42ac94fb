// An OCI bundle's config.json with netd's hooks in it (runtime-spec 1.2, config.md "POSIX-platform
// Hooks" and "Mounts"). Pure: JSON in, JSON out; all that is not netd's stays as it is, in its
// order.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace netd::ctl {

/// What a bundle's files are bound over until the hook knows better: runtimes make the mount points
/// from these, and the hook puts the sandbox's own files over them.
inline constexpr const char* bundle_files[] = {"resolv.conf", "hosts", "hostname"};

struct HookEntry {
  std::string path;             // of netd-hook, absolute
  std::string host;             // "unix://…"; empty = netd's usual place
  std::string files_directory;  // absolute: holds bundle_files
};

/// Adds what is missing and corrects what an earlier call added. A mount of the user's at one of
/// the places stays, and netd adds none there. Throws std::invalid_argument when the JSON is not a
/// bundle's, or when the container has no network namespace of its own.
void add_hooks(nlohmann::ordered_json& config, const HookEntry& entry);

/// Takes away what add_hooks() has added, by whatever netd-hook.
void remove_hooks(nlohmann::ordered_json& config, const std::string& files_directory);

/// The file's text for the same indentation as `original` has.
std::string format_like(const nlohmann::ordered_json& config, const std::string& original);

}  // namespace netd::ctl
