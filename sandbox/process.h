// Another process of this machine, told apart from a later one with the same number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/fd.h"

namespace sandbox {

/// `started` is the start time in clock ticks since boot: field 22 of /proc/PID/stat, proc(5).
struct ProcessIdentity {
  int pid = 0;
  std::uint64_t started = 0;
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// Nothing when there is no such process, or none that is visible from here (another PID
/// namespace: SO_PEERCRED says 0).
std::optional<ProcessIdentity> identify_process(int pid);

/// A descriptor of that very process, also when its number is given to another (pidfd_open(2)):
/// readable when the last of its threads has ended. Empty when it is gone. Throws
/// std::system_error.
Fd open_process(const ProcessIdentity& process);

/// Whether that very process still runs: any thread of it. A zombie has ended. Throws
/// std::system_error.
bool is_alive(const ProcessIdentity& process);

/// Who lives in which network namespace, as /proc showed it when this was made: that looks at all
/// processes, which is too long to do for each of many namespaces.
class Residents {
 public:
  /// Throws std::system_error.
  Residents();
  /// One that lives in the namespace at `path` still, other than process `but`; nothing when there
  /// is none.
  std::optional<ProcessIdentity> find(const std::string& path, int but = 0) const;

 private:
  std::map<std::uint64_t, std::vector<int>> by_netns_;  // the namespace's inode -> processes
};

}  // namespace sandbox
