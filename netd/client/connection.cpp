#include "netd/client/connection.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>
#include <system_error>

namespace netd::client {
namespace {

/// False when `until` passed.
bool wait_for(int socket, short events, const Clock::time_point* until) {
  int wait_ms = -1;
  if (until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
    if (left <= 0) return false;
    wait_ms = static_cast<int>(std::min<long>(left, std::numeric_limits<int>::max()));
  }
  pollfd waiting{socket, events, 0};
  poll(&waiting, 1, wait_ms);
  return true;
}

/// A connected socket, or -1 and errno.
int connect_to(const sockaddr* address, socklen_t size, Clock::time_point until) {
  const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  int error = connect(fd, address, size) == 0 ? 0 : errno;
  // A unix socket whose backlog is full says EAGAIN at once; a TCP one waits.
  if (error == EINPROGRESS) {
    pollfd state{fd, POLLOUT, 0};
    bool in_time = true;
    while (in_time && poll(&state, 1, 0) <= 0)
      in_time = wait_for(fd, POLLOUT, &until);
    socklen_t error_size = sizeof error;
    if (!in_time)
      error = ETIMEDOUT;
    else
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
  }
  if (error == 0) return fd;
  close(fd);
  errno = error;
  return -1;
}

int connect_unix(const Address& address, Clock::time_point until) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::copy(address.path.begin(), address.path.end(), name.sun_path);
  return connect_to(reinterpret_cast<const sockaddr*>(&name), sizeof name, until);
}

/// The first of the name's addresses that answers. The system's resolver has its own deadlines.
int connect_tcp(const Address& address, const std::string& host, Clock::time_point until) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = getaddrinfo(address.name.c_str(), address.port.c_str(), &hints, &found);
  if (problem != 0) throw NoDaemon(host, gai_strerror(problem));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  int fd = -1;
  for (const addrinfo* one = found; one && fd < 0; one = one->ai_next)
    fd = connect_to(one->ai_addr, one->ai_addrlen, until);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

Connection::Connection(const Address& address, const std::string& host,
                       const std::shared_ptr<ssl_ctx_st>& tls, Clock::time_point until)
    : host_(host) {
  socket_ = address.is_unix() ? connect_unix(address, until) : connect_tcp(address, host, until);
  if (socket_ < 0) throw NoDaemon(host, std::system_category().message(errno));
  try {
    if (tls) shake_hands(address, tls.get(), until);
  } catch (...) {
    close(socket_);
    throw;
  }
}

Connection::~Connection() {
  tls_.reset();
  close(socket_);
}

void Connection::shake_hands(const Address& address, ssl_ctx_st* tls, Clock::time_point until) {
  tls_ = begin_tls(tls, socket_, address, host_);
  while (const short wanted = tls_->shake_hands())
    if (!wait_for(socket_, wanted, &until))
      throw NoTls(host_, TlsProblem::no_handshake, "the TLS handshake took too long");
}

Moved Connection::send_some(std::string_view text) const {
  if (tls_) return tls_->send(text);
  const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
  if (sent >= 0) return {static_cast<std::size_t>(sent), 0};
  if (errno == EPIPE || errno == ECONNRESET) return {};
  if (errno != EAGAIN && errno != EINTR)
    throw std::system_error(errno, std::system_category(), "send the request to " + host_);
  return {0, POLLOUT};
}

void Connection::send(std::string_view text, Clock::time_point until) {
  while (!text.empty()) {
    const Moved moved = send_some(text);
    text.remove_prefix(moved.bytes);
    // A daemon that answers before it has read the body (413) stops reading: its answer counts.
    if (moved.bytes == 0 && moved.wait_for == 0) return;
    if (moved.bytes == 0 && !wait_for(socket_, moved.wait_for, &until))
      throw std::runtime_error(fmt::format("{} took no request within its deadline", host_));
  }
}

Moved Connection::receive_some(char* buffer, std::size_t size) const {
  if (tls_) return tls_->receive(buffer, size);
  const ssize_t received = recv(socket_, buffer, size, 0);
  if (received >= 0) return {static_cast<std::size_t>(received), 0};
  if (errno == ECONNRESET) return {};
  if (errno != EAGAIN && errno != EINTR)
    throw std::system_error(errno, std::system_category(), "read the answer of " + host_);
  return {0, POLLIN};
}

std::size_t Connection::receive(char* buffer, std::size_t size, const Clock::time_point* until) {
  for (;;) {
    const Moved moved = receive_some(buffer, size);
    if (moved.bytes > 0 || moved.wait_for == 0) return moved.bytes;
    if (!wait_for(socket_, moved.wait_for, until))
      throw std::runtime_error(host_ + " did not answer within its deadline");
  }
}

bool Connection::is_quiet() const {
  pollfd waiting{socket_, POLLIN, 0};
  if (poll(&waiting, 1, 0) == 0) return true;
  return tls_ && tls_->is_quiet();
}

}  // namespace netd::client
