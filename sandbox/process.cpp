#include "sandbox/process.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "sandbox/netns.h"

namespace sandbox {
namespace {

struct Stat {
  char state = '?';
  std::uint64_t started = 0;
};

std::optional<Stat> read_stat(int pid) {
  if (pid <= 0) return std::nullopt;
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The name in field 2 may hold spaces and parentheses: the fields go on after the last one.
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(end + 1));
  Stat stat;
  fields >> stat.state;  // field 3
  std::string skipped;
  for (int field = 4; field < 22; ++field)
    fields >> skipped;
  fields >> stat.started;
  if (!fields) return std::nullopt;
  return stat;
}

}  // namespace

std::optional<ProcessIdentity> identify_process(int pid) {
  const auto stat = read_stat(pid);
  if (!stat) return std::nullopt;
  return ProcessIdentity{pid, stat->started};
}

std::optional<ProcessIdentity> find_process_in(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    int pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc{} || end != name.data() + name.size()) continue;
    const auto process = identify_process(pid);
    if (process && is_same_netns(entry.path().string() + "/ns/net", path) && is_alive(*process))
      return process;
  }
  return std::nullopt;
}

bool is_alive(const ProcessIdentity& process) {
  const auto stat = read_stat(process.pid);
  return stat && stat->started == process.started && stat->state != 'Z' && stat->state != 'X';
}

}  // namespace sandbox
