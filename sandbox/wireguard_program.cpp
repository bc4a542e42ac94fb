#include "sandbox/wireguard_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "sandbox/fd.h"

extern char** environ;

namespace sandbox::wireguard_program {
namespace {

constexpr const char* program_name = "wireguard-go";
constexpr timeval patience{.tv_sec = 2, .tv_usec = 0};
constexpr const char* nobody_encrypts =
    "this kernel has no WireGuard (CONFIG_WIREGUARD), and there is no wireguard-go: load the "
    "module wireguard, or install the package wireguard-go";

sockaddr_un socket_of(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/var/run/wireguard/" + name + ".sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

bool is_in_path(const std::string& program) {
  const char* const path = getenv("PATH");
  std::string_view rest = path ? path : "";
  while (!rest.empty()) {
    const std::string directory(rest.substr(0, rest.find(':')));
    if (access((directory + "/" + program).c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(directory.size() + 1, rest.size()));
  }
  return false;
}

}  // namespace

std::string problem() {
  if (!is_in_path(program_name)) return nobody_encrypts;
  if (access("/dev/net/tun", R_OK | W_OK) != 0)
    return "wireguard-go needs /dev/net/tun, which is not there: load the module tun, or wireguard";
  return {};
}

void start(const std::string& name) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);  // no Ctrl-C that is meant for netd
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int fd : {0, 1, 2})
    posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
  std::string program = program_name;
  std::string argument = name;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, program.c_str(), &files, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw std::runtime_error(nobody_encrypts);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0)
    throw std::runtime_error(
        fmt::format("wireguard-go could not make link {}: see that /dev/net/tun is there and "
                    "that nothing has that name",
                    name));
}

/// It answers one question a connection, as one text that ends with an empty line.
std::string ask(const std::string& name, const std::string& question, const std::string& act) {
  const auto fail = [&] { throw std::system_error(errno, std::system_category(), act); };
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = socket_of(name);
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(question.size()))
    fail();
  std::string answer;
  while (!answer.ends_with("\n\n")) {
    char buffer[4096];
    const ssize_t got = recv(fd.get(), buffer, sizeof buffer, 0);
    if (got < 0) fail();
    if (got == 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

}  // namespace sandbox::wireguard_program
