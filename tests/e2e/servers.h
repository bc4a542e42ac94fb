// Servers and a client for tests, in any network namespace. A server listens when its constructor
// returns, so no test has to wait for it. Its sockets keep their namespace alive: it has to be gone
// before a test looks for what is left.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace e2e {

/// A server with one socket and one thread.
class Server {
 public:
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 protected:
  Server() = default;
  /// Calls `serve(socket)` whenever the socket is readable.
  void start(int socket, std::function<void(int)> serve);

 private:
  int socket_ = -1;
  int stop_ = -1;
  std::thread thread_;
};

/// Answers every HTTP request with `body`, on all addresses of both families.
/// `netns` is a namespace's path, "" = the test's own.
class WebServer : public Server {
 public:
  WebServer(const std::string& netns, std::uint16_t port, const std::string& body);
};

/// Answers every datagram with `prefix` and the datagram.
class EchoServer : public Server {
 public:
  EchoServer(const std::string& netns, std::uint16_t port, const std::string& prefix);
};

/// Answers the first message of every SCTP association (RFC 9260) with `prefix` and the message.
/// Throws where the kernel has no SCTP.
class SctpEchoServer : public Server {
 public:
  SctpEchoServer(const std::string& netns, std::uint16_t port, const std::string& prefix);
};

/// An upstream DNS server at port 53: `name` (lower case) has the IPv4 address `address`, all else
/// is NXDOMAIN.
class NameServer : public Server {
 public:
  NameServer(const std::string& netns, const std::string& name, const std::string& address);
};

/// Sends one datagram from `netns`; the answer, or nothing after two seconds.
std::optional<std::string> ask(const std::string& netns, const std::string& address,
                               std::uint16_t port, const std::string& text);
/// The same in one SCTP association.
std::optional<std::string> ask_sctp(const std::string& netns, const std::string& address,
                                    std::uint16_t port, const std::string& text);

}  // namespace e2e
