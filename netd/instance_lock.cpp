#include "netd/instance_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace netd {
namespace {

constexpr std::string_view name("\0netd", 5);

[[noreturn]] void fail(const std::string& act) {
  throw std::system_error(errno, std::system_category(), act);
}

sandbox::Fd lock_directory(const std::string& directory) {
  sandbox::Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fail("open " + directory);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) fail("lock " + directory);
  throw std::runtime_error(fmt::format(
      "the state directory {} is in use by another netd; stop that one, or give this one another "
      "--state-dir (and --run-dir)",
      directory));
}

sockaddr_un lock_address(socklen_t& size) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return address;
}

/// " (process 4711)", or nothing when the holder can't be asked.
std::string holder() {
  socklen_t size = 0;
  const sockaddr_un address = lock_address(size);
  const sandbox::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) return {};
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return {};
  // 0: a process of another pid namespace.
  return credentials.pid > 0 ? fmt::format(" (process {})", credentials.pid) : std::string();
}

sandbox::Fd lock_namespace() {
  socklen_t size = 0;
  const sockaddr_un address = lock_address(size);
  sandbox::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) fail("lock the network namespace");
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    if (errno != EADDRINUSE) fail("lock the network namespace");
    throw std::runtime_error(fmt::format(
        "another netd{} runs in this network namespace; stop that one, or start this one in a "
        "namespace of its own (ip netns exec NAME netd --state-dir … --run-dir …)",
        holder()));
  }
  // Nobody is ever accepted: listening lets a second netd ask for the process.
  if (listen(fd.get(), 1) < 0) fail("lock the network namespace");
  return fd;
}

}  // namespace

InstanceLock::InstanceLock(const std::string& state_dir)
    : directory_(lock_directory(state_dir)), name_(lock_namespace()) {}

}  // namespace netd
