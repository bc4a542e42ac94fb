#include "netd/ctl/sandbox_exec.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

constexpr int cannot_execute = 126;  // POSIX sh 2.8.2
constexpr int command_not_found = 127;

[[noreturn]] void fail(const std::string& act) {
  const int error = errno;
  throw Failed(fmt::format("{}: {}{}", act, std::system_category().message(error),
                           error == EPERM ? "; entering a sandbox needs root (try sudo)" : ""));
}

void join_network(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open network namespace " + path);
  const int result = setns(fd, CLONE_NEWNET);
  const int error = errno;
  close(fd);
  errno = error;
  if (result != 0) fail("join network namespace " + path);
}

/// Mounts made from now on are seen by this process and its children only; the host's new mounts
/// still appear here.
void make_private_mounts() {
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0) fail("make mount and UTS namespaces");
  if (mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) fail("make / a slave mount");
}

void mount_over(const std::string& source, const char* place) {
  if (source.empty()) return;
  if (access(place, F_OK) != 0) return;  // a host without this file reads no such file here either
  if (mount(source.c_str(), place, nullptr, MS_BIND, nullptr) != 0) {
    fail(fmt::format("mount {} over {}", source, place));
  }
}

/// /sys/class/net shows the network namespace that sysfs was mounted in. A failure (no sysfs here,
/// or not allowed) is left alone: most commands don't look there.
void show_own_network_in_sys() {
  constexpr unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  static_cast<void>(mount("sysfs", "/sys", "sysfs", flags, nullptr));
}

void set_hostname(const std::string& path) {
  std::ifstream file(path);
  std::string hostname;
  if (!std::getline(file, hostname) || hostname.empty()) return;
  if (sethostname(hostname.data(), hostname.size()) != 0) fail("set hostname " + hostname);
}

[[noreturn]] void execute(const std::vector<std::string>& command) {
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words.front(), words.data());
  const int error = errno;
  fmt::print(stderr, "netctl: run {}: {}\n", command.front(),
             std::system_category().message(error));
  std::exit(error == ENOENT ? command_not_found : cannot_execute);
}

}  // namespace

void execute_in_sandbox(const SandboxEntrance& entrance, const std::vector<std::string>& command) {
  join_network(entrance.netns_path);
  make_private_mounts();
  mount_over(entrance.resolv_conf_path, "/etc/resolv.conf");
  mount_over(entrance.hosts_path, "/etc/hosts");
  mount_over(entrance.hostname_path, "/etc/hostname");
  if (!entrance.hostname_path.empty()) set_hostname(entrance.hostname_path);
  show_own_network_in_sys();
  execute(command);
}

}  // namespace netd::ctl
