#include "dns/listen_sockets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "sandbox/netns.h"

namespace dns {
namespace {

constexpr int receive_buffer_bytes = 256 * 1024;
constexpr int tcp_backlog = 16;
constexpr int attempts_at_a_free_port = 16;

[[noreturn]] void fail(int error, const std::string& act) {
  throw std::system_error(error, std::system_category(), act);
}

sandbox::Fd open_socket(int type, const ListenPlace& place) {
  sandbox::Fd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) fail(errno, "open a DNS listener");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, place.device.data(),
                 static_cast<socklen_t>(place.device.size())) < 0)
    fail(errno, "bind a DNS listener to " + place.device);
  if (type == SOCK_STREAM) {
    const int on = 1;  // connections of an earlier listener may linger in TIME_WAIT
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  } else {
    // As much as net.core.rmem_max allows; less is no reason to fail.
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  return fd;
}

/// 0 or the errno of bind(2).
int bind_to(const sandbox::Fd& fd, const ListenPlace& place, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(static_cast<std::uint32_t>(place.address.value()));
  address.sin_port = htons(port);
  return bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno
                                                                                         : 0;
}

std::uint16_t bound_port(const sandbox::Fd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0)
    fail(errno, "read a DNS listener's port");
  return ntohs(address.sin_port);
}

/// Nothing when one of the two protocols' port is in use. `port` 0: whichever is free.
std::optional<ListenSockets> try_port(const ListenPlace& place, std::uint16_t port) {
  ListenSockets sockets{open_socket(SOCK_DGRAM, place), open_socket(SOCK_STREAM, place), 0};
  int error = bind_to(sockets.udp, place, port);
  if (error == 0) {
    sockets.port = bound_port(sockets.udp);
    error = bind_to(sockets.tcp, place, sockets.port);
  }
  if (error == 0 && listen(sockets.tcp.get(), tcp_backlog) < 0) error = errno;
  if (error == 0) return sockets;
  if (error == EADDRINUSE) return std::nullopt;
  fail(error,
       fmt::format("listen at {}:{} (is {} up?)", place.address.to_string(), port, place.device));
}

ListenSockets open_here(const ListenPlace& place) {
  if (auto sockets = try_port(place, place.port)) return std::move(*sockets);
  for (int i = 0; i < attempts_at_a_free_port && !place.exact; ++i)
    if (auto sockets = try_port(place, 0)) return std::move(*sockets);
  fail(EADDRINUSE, place.exact
                       ? fmt::format("listen at {}:{}", place.address.to_string(), place.port)
                       : fmt::format("listen at {} (no port is free)", place.address.to_string()));
}

}  // namespace

ListenSockets open_listen_sockets(int netns, const ListenPlace& place) {
  return sandbox::in_netns(netns, [&place] { return open_here(place); });
}

}  // namespace dns
