// Running a command in a sandbox: the only thing netctl does in the kernel itself.
#pragma once

#include <string>
#include <vector>

namespace netd::ctl {

/// Where a sandbox's namespace and files are. Empty file paths are left as the host has them.
struct SandboxEntrance {
  std::string netns_path;
  std::string resolv_conf_path;
  std::string hosts_path;
  std::string hostname_path;
};

/// Becomes `command`: this process joins the network namespace, gets mount and UTS namespaces of
/// its own with the sandbox's files over /etc's and its hostname, and executes. Returns only by
/// throwing Failed; when the command itself can't be executed the process exits with 126 or 127, as
/// shells do. Needs CAP_SYS_ADMIN; the calling process has one thread.
[[noreturn]] void execute_in_sandbox(const SandboxEntrance& entrance,
                                     const std::vector<std::string>& command);

}  // namespace netd::ctl
