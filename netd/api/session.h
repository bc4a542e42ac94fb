// One client connection: reads requests, has them answered, writes the answers. Coroutines on the
// io thread (docs/ARCHITECTURE.md, "Coroutines and g++ 12").
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>

#include "netd/api/server.h"

namespace netd::api {

/// Unix and TCP alike.
using Socket = boost::asio::generic::stream_protocol::socket;

/// A connection with its one deadline. Only on the io thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(Socket socket);

  Socket& socket() { return socket_; }
  const std::optional<Peer>& peer() const { return peer_; }

  /// What happens when the deadline passes: reading ends as if the client had (so that 408 can
  /// still be written), or both directions do.
  enum class Direction { reading, both };
  void set_deadline(std::chrono::milliseconds after, Direction direction);
  void clear_deadline();
  bool has_expired() const { return expired_; }

  /// A stream waits for this timer; cancelling it makes it look for new lines.
  boost::asio::steady_timer& signal() { return signal_; }
  /// Ends both directions: whatever is being waited for returns at once.
  void shut_down();
  bool is_shut_down() const { return shut_down_; }

 private:
  Socket socket_;
  std::optional<Peer> peer_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer signal_;
  std::uint64_t generation_ = 0;  // tells a deadline from those set before it
  bool expired_ = false;
  bool shut_down_ = false;
};

/// What all sessions of a server share; outlives them.
struct SessionShared {
  boost::asio::any_io_executor io;
  boost::asio::thread_pool::executor_type control;
  Server::Handler handler;
  ServerLimits limits;
};

/// Serves the connection until it ends.
boost::asio::awaitable<void> serve(std::shared_ptr<SessionShared> shared,
                                   std::shared_ptr<Connection> connection);

/// Answers 503 and ends: there are too many connections.
boost::asio::awaitable<void> turn_away(std::shared_ptr<SessionShared> shared,
                                       std::shared_ptr<Connection> connection);

}  // namespace netd::api
