#include "sandbox/process.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace sandbox {
namespace {

/// The inode of the network namespace at a path.
std::optional<ino_t> inode_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) < 0) return std::nullopt;
  return status.st_ino;
}

/// That of a process. A first thread that has ended is in none, and others of the process may go
/// on: pthread_exit(3) in main.
std::optional<ino_t> netns_of(int pid) {
  const std::string process = fmt::format("/proc/{}", pid);
  if (const auto inode = inode_of(process + "/ns/net")) return inode;
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator(process + "/task", error))
    if (const auto inode = inode_of(thread.path().string() + "/ns/net")) return inode;
  return std::nullopt;
}

}  // namespace

std::optional<ProcessIdentity> identify_process(int pid) {
  if (pid <= 0) return std::nullopt;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The name in field 2 may hold spaces and parentheses: the fields go on after the last one.
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field)
    fields >> skipped;
  ProcessIdentity process{.pid = pid};
  fields >> process.started;
  if (!fields) return std::nullopt;
  return process;
}

Fd open_process(const ProcessIdentity& process) {
  // glibc 2.36 declares pidfd_open() for C only.
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd && errno != ESRCH && errno != EINVAL)
    throw std::system_error(errno, std::system_category(),
                            fmt::format("watch process {}", process.pid));
  // After the pidfd: it is of that process, or of a later one with its number. Of one that ended
  // meanwhile it says so itself.
  const auto now = identify_process(process.pid);
  return !now || now == process ? std::move(pidfd) : Fd();
}

bool is_alive(const ProcessIdentity& process) {
  const Fd pidfd = open_process(process);
  pollfd end{pidfd.get(), POLLIN, 0};
  return pidfd && poll(&end, 1, 0) == 0;
}

Residents::Residents() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    int pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc{} || end != name.data() + name.size()) continue;
    if (const auto netns = netns_of(pid)) by_netns_[*netns].push_back(pid);
  }
}

std::optional<ProcessIdentity> Residents::find(const std::string& path, int but) const {
  const auto netns = inode_of(path);
  const auto found = netns ? by_netns_.find(*netns) : by_netns_.end();
  if (found == by_netns_.end()) return std::nullopt;
  for (const int pid : found->second) {
    if (pid == but) continue;
    const auto process = identify_process(pid);
    if (process && netns_of(pid) == netns && is_alive(*process)) return process;
  }
  return std::nullopt;
}

}  // namespace sandbox
