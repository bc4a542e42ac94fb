// A container as an OCI runtime describes it to its hooks: the state on stdin and config.json in
// the bundle (runtime-spec 1.2, runtime.md "State", config.md). `status` is not looked at: runc and
// crun say different things at the same moment.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace runtime_hooks::oci {

struct Container {
  std::string id;
  int pid = 0;         // of its init; 0 = not told
  std::string bundle;  // absolute; empty = not told
  std::map<std::string, std::string> annotations;

  // From config.json.
  std::string rootfs;  // absolute; empty = not known
  bool is_read_only = false;
  std::string hostname;
  std::string domainname;
  std::string netns_path;  // linux.namespaces: the one to join; empty = a new one, or the host's

  std::map<std::string, std::string> mounts;  // destination -> source

  /// Null when there is none.
  const std::string* annotation(const std::string& key) const;
};

/// Nothing when there is no such file.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;

/// Reads both; a bundle without config.json leaves its part empty. The state's annotations count
/// more than the file's. Throws std::runtime_error that says what is wrong with which.
Container read_container(std::string_view state, const ReadFile& read_file);

}  // namespace runtime_hooks::oci
