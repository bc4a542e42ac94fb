// One client connection: reads requests, has them answered, writes the answers. Coroutines on the
// io thread (docs/ARCHITECTURE.md, "Coroutines and g++ 12").
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "netd/api/refusal_log.h"
#include "netd/api/server.h"
#include "netd/api/stream.h"

namespace netd::api {

/// A connection with its one deadline. Only on the io thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// Encrypted when `tls` is set, as soon as secure() has succeeded.
  Connection(Socket socket, TlsContext tls);

  Stream& stream() { return stream_; }
  const TlsContext& tls() const { return tls_; }
  Peer& peer() { return peer_; }

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
  Stream stream_;
  TlsContext tls_;
  Peer peer_;
  boost::asio::steady_timer deadline_;
  boost::asio::steady_timer signal_;
  std::uint64_t generation_ = 0;  // tells a deadline from those set before it
  bool expired_ = false;
  bool shut_down_ = false;
};

/// What all sessions of a server share; outlives them.
struct SessionShared {
  SessionShared(const boost::asio::any_io_executor& io_thread,
                boost::asio::thread_pool::executor_type control_thread, Server::Handler answer,
                ServerLimits server_limits)
      : io(io_thread),
        control(std::move(control_thread)),
        handler(std::move(answer)),
        limits(server_limits),
        refusals(io, limits.refusal_log_interval) {}

  boost::asio::any_io_executor io;
  boost::asio::thread_pool::executor_type control;
  Server::Handler handler;
  ServerLimits limits;
  RefusalLog refusals;
};

/// TLS's beginning: handshake, the client's certificate. False when it failed and the connection
/// has to end; a client that speaks plain HTTP has then been told.
boost::asio::awaitable<bool> secure(std::shared_ptr<SessionShared> shared,
                                    std::shared_ptr<Connection> connection);

/// Serves the connection until it ends.
boost::asio::awaitable<void> serve(std::shared_ptr<SessionShared> shared,
                                   std::shared_ptr<Connection> connection);

/// Answers 503 and ends: there are too many connections.
boost::asio::awaitable<void> turn_away(std::shared_ptr<SessionShared> shared,
                                       std::shared_ptr<Connection> connection);

}  // namespace netd::api
