#include "sandbox/process.h"

#include <fmt/format.h>
#include <poll.h>
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

#include "sandbox/netns.h"

namespace sandbox {
namespace {

/// The network namespace of a process, where it is to be seen. A first thread that has ended is in
/// none, and others of the process may go on: pthread_exit(3) in main.
std::string netns_path(const std::string& process) {
  std::string path = process + "/ns/net";
  std::error_code error;
  if (std::filesystem::exists(path, error)) return path;
  for (const auto& thread : std::filesystem::directory_iterator(process + "/task", error))
    if (const std::string other = thread.path().string() + "/ns/net";
        std::filesystem::exists(other, error))
      return other;
  return path;
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
  // After the pidfd: it is of that process, or of a later one with its number.
  return pidfd && identify_process(process.pid) == process ? std::move(pidfd) : Fd();
}

std::optional<ProcessIdentity> find_process_in(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    int pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc{} || end != name.data() + name.size()) continue;
    const auto process = identify_process(pid);
    if (process && is_same_netns(netns_path(entry.path()), path) && is_alive(*process))
      return process;
  }
  return std::nullopt;
}

bool is_alive(const ProcessIdentity& process) {
  const Fd pidfd = open_process(process);
  pollfd end{pidfd.get(), POLLIN, 0};
  return pidfd && poll(&end, 1, 0) == 0;
}

}  // namespace sandbox
