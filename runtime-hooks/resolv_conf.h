// What a sandbox's resolv.conf (resolv.conf(5)), which netd writes, says to a runtime that writes
// the container's itself.
#pragma once

#include <string>
#include <vector>

namespace runtime_hooks {

struct ResolvConf {
  std::vector<std::string> servers;
  std::vector<std::string> search;
  std::vector<std::string> options;
};

/// Empty for a file that is not there.
ResolvConf read_resolv_conf(const std::string& path);

}  // namespace runtime_hooks
