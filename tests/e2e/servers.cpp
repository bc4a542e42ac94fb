#include "tests/e2e/servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <exception>
#include <system_error>
#include <vector>

namespace e2e {
namespace {

int check(int result, const std::string& act) {
  if (result < 0) throw std::system_error(errno, std::system_category(), act);
  return result;
}

/// Runs `make` in the namespace, on a thread that ends there. Returns the socket it made.
int in_namespace(const std::string& netns, const std::function<int()>& make) {
  int result = -1;
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      if (!netns.empty()) {
        const int fd = check(open(netns.c_str(), O_RDONLY | O_CLOEXEC), "open " + netns);
        const int entered = setns(fd, CLONE_NEWNET);
        close(fd);
        check(entered, "setns " + netns);
      }
      result = make();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
  return result;
}

int listening_socket(const std::string& netns, int type, std::uint16_t port, int protocol = 0) {
  return in_namespace(netns, [&] {
    const int fd = check(socket(AF_INET6, type | SOCK_CLOEXEC, protocol), "socket");
    const int off = 0, on = 1;
    check(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), "setsockopt");
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address),
          "bind port " + std::to_string(port));
    if (type == SOCK_STREAM) check(listen(fd, 128), "listen");
    return fd;
  });
}

bool readable(int fd, int milliseconds) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, milliseconds) > 0;
}

void answer_http(int listener, const std::string& body) {
  const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return;
  std::string request;
  std::array<char, 4096> buffer{};
  while (request.find("\r\n\r\n") == std::string::npos && readable(connection, 2000)) {
    const ssize_t count = read(connection, buffer.data(), buffer.size());
    if (count <= 0) break;
    request.append(buffer.data(), static_cast<std::size_t>(count));
  }
  const std::string reply = "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                            "\r\nConnection: close\r\n\r\n" + body;
  (void)!send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
  close(connection);
}

/// Answers the first message of one SCTP association.
void answer_association(int listener, const std::string& prefix) {
  const int association = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (association < 0) return;
  std::array<char, 4096> buffer{};
  if (readable(association, 2000)) {
    const ssize_t count = read(association, buffer.data(), buffer.size());
    if (count > 0) {
      const std::string text = prefix + std::string(buffer.data(), static_cast<std::size_t>(count));
      (void)!send(association, text.data(), text.size(), MSG_NOSIGNAL);
    }
  }
  close(association);
}

/// Answers one datagram with what `reply` makes of it.
void answer_datagram(int socket, const std::function<std::string(const std::string&)>& reply) {
  std::array<char, 4096> buffer{};
  sockaddr_in6 peer{};
  socklen_t length = sizeof peer;
  const ssize_t count = recvfrom(socket, buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &length);
  if (count < 0) return;
  const std::string text = reply({buffer.data(), static_cast<std::size_t>(count)});
  (void)!sendto(socket, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
}

/// "example.test" -> "\7example\4test\0" (RFC 1035 3.1)
std::string wire_name(const std::string& name) {
  std::string result, label;
  for (const char c : name + ".") {
    if (c != '.') {
      label += c;
      continue;
    }
    result += static_cast<char>(label.size());
    result += label;
    label.clear();
  }
  return result + '\0';
}

/// The reply to a query for one name: its A record, nothing for its other types, else NXDOMAIN.
std::string answer_dns(const std::string& query, const std::string& name, in_addr address) {
  constexpr std::size_t header = 12;
  const std::string wanted = wire_name(name);
  if (query.size() < header + wanted.size() + 4) return {};
  const std::size_t end_of_name = query.find('\0', header);
  if (end_of_name == std::string::npos || end_of_name + 5 > query.size()) return {};
  std::string asked = query.substr(header, end_of_name + 1 - header);
  for (char& c : asked)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool known = asked == wanted;
  const bool has_answer = known && query[end_of_name + 2] == 1;

  std::string reply = query.substr(0, end_of_name + 5);
  reply[2] = '\x81';                   // QR, RD
  reply[3] = known ? '\x80' : '\x83';  // RA; NXDOMAIN
  reply[6] = 0;
  reply[7] = has_answer ? 1 : 0;  // ANCOUNT
  for (std::size_t i = 8; i < header; ++i)
    reply[i] = 0;
  if (has_answer) {
    using namespace std::string_literals;
    reply += "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"s;  // the name, A, IN, 60 s, 4 bytes
    reply.append(reinterpret_cast<const char*>(&address), 4);
  }
  return reply;
}

}  // namespace

void Server::start(int socket, std::function<void(int)> serve) {
  socket_ = socket;
  stop_ = check(eventfd(0, EFD_CLOEXEC), "eventfd");
  thread_ = std::thread([socket = socket_, stop = stop_, serve = std::move(serve)] {
    for (;;) {
      pollfd ready[] = {{socket, POLLIN, 0}, {stop, POLLIN, 0}};
      if (poll(ready, 2, -1) < 0 && errno != EINTR) return;
      if (ready[1].revents) return;
      if (ready[0].revents) serve(socket);
    }
  });
}

Server::~Server() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    (void)!write(stop_, &one, sizeof one);
    thread_.join();
  }
  if (stop_ >= 0) close(stop_);
  if (socket_ >= 0) close(socket_);
}

WebServer::WebServer(const std::string& netns, std::uint16_t port, const std::string& body) {
  start(listening_socket(netns, SOCK_STREAM, port),
        [body](int socket) { answer_http(socket, body); });
}

EchoServer::EchoServer(const std::string& netns, std::uint16_t port, const std::string& prefix) {
  start(listening_socket(netns, SOCK_DGRAM, port), [prefix](int socket) {
    answer_datagram(socket, [&](const std::string& text) { return prefix + text; });
  });
}

SctpEchoServer::SctpEchoServer(const std::string& netns, std::uint16_t port,
                               const std::string& prefix) {
  start(listening_socket(netns, SOCK_STREAM, port, IPPROTO_SCTP),
        [prefix](int socket) { answer_association(socket, prefix); });
}

NameServer::NameServer(const std::string& netns, const std::string& name,
                       const std::string& address) {
  in_addr value{};
  if (inet_pton(AF_INET, address.c_str(), &value) != 1) throw std::invalid_argument(address);
  start(listening_socket(netns, SOCK_DGRAM, 53), [name, value](int socket) {
    answer_datagram(socket,
                    [&](const std::string& query) { return answer_dns(query, name, value); });
  });
}

namespace {

/// Sends one message over a socket of this type and protocol; the answer, if there is one.
std::optional<std::string> ask_over(int type, int protocol, const std::string& netns,
                                    const std::string& address, std::uint16_t port,
                                    const std::string& text) {
  const bool v6 = address.find(':') != std::string::npos;
  const int fd = in_namespace(netns, [&] {
    const int made =
        check(socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, protocol), "socket");
    const timeval limit{.tv_sec = 2, .tv_usec = 0};  // of an SCTP connect
    check(setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), "setsockopt");
    sockaddr_in v4_peer{};
    v4_peer.sin_family = AF_INET;
    v4_peer.sin_port = htons(port);
    sockaddr_in6 v6_peer{};
    v6_peer.sin6_family = AF_INET6;
    v6_peer.sin6_port = htons(port);
    inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(),
              v6 ? static_cast<void*>(&v6_peer.sin6_addr) : &v4_peer.sin_addr);
    const auto* peer =
        v6 ? reinterpret_cast<sockaddr*>(&v6_peer) : reinterpret_cast<sockaddr*>(&v4_peer);
    // An unreachable address is an answer to the test, not a failure of it.
    if (connect(made, peer, v6 ? sizeof v6_peer : sizeof v4_peer) != 0 ||
        send(made, text.data(), text.size(), 0) < 0) {
      close(made);
      return -1;
    }
    return made;
  });
  if (fd < 0) return std::nullopt;
  std::array<char, 4096> buffer{};
  ssize_t count = -1;
  if (readable(fd, 2000)) count = recv(fd, buffer.data(), buffer.size(), 0);
  close(fd);
  if (count < 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(count));
}

}  // namespace

std::optional<std::string> ask(const std::string& netns, const std::string& address,
                               std::uint16_t port, const std::string& text) {
  return ask_over(SOCK_DGRAM, 0, netns, address, port, text);
}

std::optional<std::string> ask_sctp(const std::string& netns, const std::string& address,
                                    std::uint16_t port, const std::string& text) {
  return ask_over(SOCK_STREAM, IPPROTO_SCTP, netns, address, port, text);
}

}  // namespace e2e
