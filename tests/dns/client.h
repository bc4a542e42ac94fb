// Clients of a sandbox's resolver, and the sandboxes' namespaces.
#pragma once

#include <cstdint>
#include <string>

#include "sandbox/fd.h"
#include "tests/dns/packets.h"

namespace tests {

/// Makes a namespace, pinned at the path, with lo up.
void make_sandbox_namespace(const std::string& path);

/// A UDP socket in the namespace at `netns`, connected to 127.0.0.11:`port`.
class UdpClient {
 public:
  UdpClient(const std::string& netns, std::uint16_t port);
  void send(const Bytes& packet);
  /// The next datagram; empty after `milliseconds` of silence or when nobody listens.
  Bytes receive(int milliseconds = 6000);
  Bytes ask(const Bytes& packet);

 private:
  sandbox::Fd fd_;
};

/// The same over TCP.
class TcpClient {
 public:
  TcpClient(const std::string& netns, std::uint16_t port);
  /// Raw bytes; `frame` puts the length before a message.
  void send(const Bytes& stream);
  static Bytes frame(const Bytes& message);
  /// The next message; empty at the end of the stream, at a reset, or after 6 s.
  Bytes receive();
  /// The server has closed the connection.
  bool is_at_end();
  void finish_sending();
  /// Closes with RST.
  void reset();

 private:
  sandbox::Fd fd_;
};

}  // namespace tests
