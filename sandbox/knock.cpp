#include "sandbox/knock.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>

#include "sandbox/netns.h"

namespace sandbox {
namespace {

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Target target_of(const ipam::Address& to, std::uint16_t port) {
  Target target;
  const auto bytes = to.bytes();
  if (to.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(target.address);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
    target.size = sizeof in;
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(target.address);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::memcpy(&in6.sin6_addr, bytes.data(), bytes.size());
    target.size = sizeof in6;
  }
  return target;
}

/// Above those that Linux gives to clients (ip_local_port_range).
std::uint16_t unused_port() {
  std::random_device device;
  return static_cast<std::uint16_t>(std::uniform_int_distribution<int>(61000, 65535)(device));
}

bool is_ready(const Fd& fd, short events, std::chrono::milliseconds limit) {
  pollfd ready{fd.get(), events, 0};
  return poll(&ready, 1, static_cast<int>(limit.count())) > 0;
}

Fd connect_to(KnockProtocol protocol, const ipam::Address& to) {
  const int type = protocol == KnockProtocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
  Fd fd(socket(to.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Target target = target_of(to, unused_port());
  if (!fd ||
      (connect(fd.get(), reinterpret_cast<const sockaddr*>(&target.address), target.size) != 0 &&
       errno != EINPROGRESS))
    throw std::system_error(errno, std::system_category(), "connect to " + to.to_string());
  return fd;
}

bool knock_by_tcp(const ipam::Address& to, std::chrono::milliseconds limit) {
  const Fd fd = connect_to(KnockProtocol::tcp, to);
  if (!is_ready(fd, POLLOUT, limit)) return false;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 || error == ECONNREFUSED;
}

bool knock_by_udp(const ipam::Address& to, std::chrono::milliseconds limit) {
  constexpr int tries = 3;
  const Fd fd = connect_to(KnockProtocol::udp, to);
  for (int i = 0; i < tries; ++i) {
    std::array<char, 64> packet{};
    if (send(fd.get(), packet.data(), packet.size(), 0) < 0) return errno == ECONNREFUSED;
    if (!is_ready(fd, POLLIN, limit / tries)) continue;
    return recv(fd.get(), packet.data(), packet.size(), 0) >= 0 || errno == ECONNREFUSED;
  }
  return false;
}

}  // namespace

bool knock(const std::string& netns, KnockProtocol protocol, const ipam::Address& to,
           std::chrono::milliseconds limit) {
  const auto act = [&] {
    return protocol == KnockProtocol::tcp ? knock_by_tcp(to, limit) : knock_by_udp(to, limit);
  };
  if (netns.empty()) return act();
  const Fd fd = open_netns(netns);
  return in_netns(fd.get(), act);
}

}  // namespace sandbox
