#include "netd/api/listen.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace netd::api {
namespace {

constexpr int backlog = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

[[noreturn]] void close_and_fail(int fd, const std::string& what) {
  const int error = errno;
  close(fd);
  errno = error;
  fail(what);
}

bool bind_and_listen(int fd, const void* address, socklen_t size) {
  const int on = 1;
  return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
         bind(fd, static_cast<const sockaddr*>(address), size) == 0 && listen(fd, backlog) == 0;
}

int open_socket(int family, const std::string& what) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail(what);
  return fd;
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v6.sin6_port));
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
}

}  // namespace

int listen_at_path(const std::string& path, mode_t mode, gid_t group) {
  const std::string what = fmt::format("listen at unix://{}", path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(what);
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) unlink(path.c_str());
  const int fd = open_socket(AF_UNIX, what);
  // The file is born with the mode of the socket's own inode (net/unix/af_unix.c): with none, so
  // that nobody may connect before group and mode are right. A umask would be every thread's.
  const bool done = fchmod(fd, 0) == 0 &&
                    bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    chown(path.c_str(), static_cast<uid_t>(-1), group) == 0 &&
                    chmod(path.c_str(), mode) == 0 && listen(fd, backlog) == 0;
  if (!done) close_and_fail(fd, what);
  return fd;
}

int listen_at_address(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  const std::string what = fmt::format(
      is_v6 ? fmt::runtime("listen at tcp://[{}]:{}") : fmt::runtime("listen at tcp://{}:{}"),
      address, port);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  void* binary = is_v6 ? static_cast<void*>(&v6.sin6_addr) : &v4.sin_addr;
  if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address.c_str(), binary) != 1) {
    errno = EINVAL;
    fail(what);
  }
  const int fd = open_socket(is_v6 ? AF_INET6 : AF_INET, what);
  const bool done =
      is_v6 ? bind_and_listen(fd, &v6, sizeof v6) : bind_and_listen(fd, &v4, sizeof v4);
  if (!done) close_and_fail(fd, what);
  return fd;
}

int family_of(int socket) {
  int family = 0;
  socklen_t size = sizeof family;
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
    fail(fmt::format("serve descriptor {}", socket));
  return family;
}

Peer peer_of(int socket) {
  Peer peer;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return peer;
  if (address.ss_family != AF_UNIX) {
    peer.address = address_text(address);
    return peer;
  }
  ucred credentials{};
  size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    peer.pid = credentials.pid;
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
  }
  return peer;
}

}  // namespace netd::api
