// Inside the relay (relay.h): one published port, on the relay's thread.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <memory>

#include "netd/relay.h"
#include "sandbox/fd.h"

namespace netd {

/// What all ports share. Everything but `connections` belongs to the relay's thread.
struct RelayContext {
  boost::asio::io_context& io;
  const Relay::Limits& limits;
  std::atomic<std::size_t>& connections;
  /// Bytes on their way from one socket to another within one step; nobody keeps them here.
  std::array<char, 65536> buffer;
};

class RelayPort {
 public:
  virtual ~RelayPort() = default;
  virtual void start() = 0;
  /// Closes the socket and all connections; handlers that still come do nothing. Before the end.
  virtual void stop() = 0;
};

boost::asio::ip::address to_asio(const ipam::Address& address);

/// `socket` is non-blocking; the port owns it.
std::shared_ptr<RelayPort> make_tcp_port(RelayContext& context, sandbox::Fd socket,
                                         const Relay::Target& target);
std::shared_ptr<RelayPort> make_udp_port(RelayContext& context, sandbox::Fd socket,
                                         const Relay::Target& target);

}  // namespace netd
