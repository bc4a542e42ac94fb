// TCP through the relay: accept, connect to the container, pass on both ways with half-close.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>
#include <string>
#include <utility>

#include "netd/log.h"
#include "netd/relay_port.h"

namespace netd {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class TcpPort;

/// A client and its connection to the container. What is read is written at once; only what the
/// other side doesn't take is kept, and then nothing more is read: at most one buffer a direction,
/// usually none.
class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(TcpPort& port, RelayContext& context, tcp::socket client)
      : port_(port),
        context_(context),
        client_(std::move(client)),
        container_(context.io),
        deadline_(context.io) {
    ++context_.connections;
  }
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  void start(const tcp::endpoint& target);
  /// Both sides see that it was cut (RST), not that it ended.
  void abort();

 private:
  struct Direction {
    tcp::socket& from;
    tcp::socket& to;
    std::string pending;
    bool ended = false;
  };
  enum class Progress { more, wait, stop };

  void connected(error_code error);
  void wait_readable(Direction& direction);
  void wait_writable(Direction& direction);
  void pass(Direction& direction);
  Progress pass_once(Direction& direction);
  void flush(Direction& direction);
  void end_of(Direction& direction);
  void finish();
  void close_once() {
    if (!std::exchange(closed_, true)) --context_.connections;
  }

  TcpPort& port_;  // only while !closed_: it may be gone then
  RelayContext& context_;
  tcp::socket client_;
  tcp::socket container_;
  asio::steady_timer deadline_;
  Direction upward_{client_, container_, {}, false};
  Direction downward_{container_, client_, {}, false};
  bool closed_ = false;
};

class TcpPort final : public RelayPort, public std::enable_shared_from_this<TcpPort> {
 public:
  TcpPort(RelayContext& context, sandbox::Fd socket, const tcp::endpoint& target)
      : context_(context), acceptor_(context.io), retry_(context.io), target_(target) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
    acceptor_.assign(name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.get());
    static_cast<void>(socket.release());
  }

  void start() override { accept(); }
  void stop() override;
  void forget(const std::shared_ptr<TcpConnection>& connection) {
    connections_.erase(connection);
    accept();
  }

 private:
  void accept();
  void accepted(error_code error, tcp::socket client);

  RelayContext& context_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  tcp::endpoint target_;
  std::set<std::shared_ptr<TcpConnection>> connections_;
  bool accepting_ = false;
  bool stopped_ = false;
};

void TcpPort::stop() {
  stopped_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  retry_.cancel();
  for (const auto& connection : connections_)
    connection->abort();
  connections_.clear();
}

/// One at a time, and none above the limit: the rest wait in the backlog.
void TcpPort::accept() {
  if (stopped_ || accepting_ || connections_.size() >= context_.limits.connections) return;
  accepting_ = true;
  acceptor_.async_accept([self = shared_from_this()](error_code error, tcp::socket client) {
    self->accepting_ = false;
    self->accepted(error, std::move(client));
  });
}

void TcpPort::accepted(error_code error, tcp::socket client) {
  if (stopped_) return;
  if (!error) {
    const auto connection = std::make_shared<TcpConnection>(*this, context_, std::move(client));
    connections_.insert(connection);
    connection->start(target_);
    accept();
    return;
  }
  // Out of descriptors or memory: the client waits in the backlog, and asking again at once is of
  // no use. (ECONNABORTED and the like cost nothing but this pause.)
  log::warn("relay: accept failed; tried again in 100 ms", {{"error", error.message()}});
  retry_.expires_after(std::chrono::milliseconds(100));
  retry_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled) self->accept();
  });
}

void TcpConnection::start(const tcp::endpoint& target) {
  error_code error;
  container_.open(target.protocol(), error);
  for (tcp::socket* socket : {&client_, &container_}) {
    if (!error) socket->non_blocking(true, error);
    // Whether the peer vanished with its namespace isn't said by anybody; without it, the
    // connection would stay for good.
    if (!error) socket->set_option(asio::socket_base::keep_alive(true), error);
    if (!error) socket->set_option(tcp::no_delay(true), error);
  }
  if (error) return finish();
  deadline_.expires_after(context_.limits.connect_timeout);
  deadline_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled && !self->closed_) self->finish();
  });
  container_.async_connect(target,
                           [self = shared_from_this()](error_code e) { self->connected(e); });
}

void TcpConnection::connected(error_code error) {
  if (closed_) return;
  if (error) return finish();
  deadline_.cancel();
  wait_readable(upward_);
  wait_readable(downward_);
}

void TcpConnection::wait_readable(Direction& direction) {
  direction.from.async_wait(tcp::socket::wait_read,
                            [self = shared_from_this(), &direction](error_code error) {
                              if (self->closed_) return;
                              if (error) return self->finish();
                              self->pass(direction);
                            });
}

void TcpConnection::wait_writable(Direction& direction) {
  direction.to.async_wait(tcp::socket::wait_write,
                          [self = shared_from_this(), &direction](error_code error) {
                            if (self->closed_) return;
                            if (error) return self->finish();
                            self->flush(direction);
                          });
}

/// A busy connection gets some turns, then the others do.
void TcpConnection::pass(Direction& direction) {
  constexpr int turns = 8;
  for (int turn = 0; turn < turns; ++turn) {
    const Progress progress = pass_once(direction);
    if (progress == Progress::stop) return;
    if (progress == Progress::wait) break;
  }
  wait_readable(direction);
}

TcpConnection::Progress TcpConnection::pass_once(Direction& direction) {
  error_code error;
  const std::size_t got = direction.from.read_some(asio::buffer(context_.buffer), error);
  if (error == asio::error::would_block) return Progress::wait;
  if (error == asio::error::eof) {
    end_of(direction);
    return Progress::stop;
  }
  std::size_t put = 0;
  if (!error) put = direction.to.write_some(asio::buffer(context_.buffer.data(), got), error);
  if (error && error != asio::error::would_block) {
    finish();
    return Progress::stop;
  }
  if (put == got) return got == context_.buffer.size() ? Progress::more : Progress::wait;
  direction.pending.assign(context_.buffer.data() + put, got - put);
  wait_writable(direction);
  return Progress::stop;
}

void TcpConnection::flush(Direction& direction) {
  error_code error;
  const std::size_t put = direction.to.write_some(asio::buffer(direction.pending), error);
  if (error && error != asio::error::would_block) return finish();
  direction.pending.erase(0, put);
  if (!direction.pending.empty()) return wait_writable(direction);
  direction.pending.shrink_to_fit();
  wait_readable(direction);
}

/// One side has said all it will: the other is told, and may go on talking.
void TcpConnection::end_of(Direction& direction) {
  direction.ended = true;
  error_code ignored;
  direction.to.shutdown(tcp::socket::shutdown_send, ignored);
  if (!upward_.ended || !downward_.ended) return;
  close_once();
  client_.close(ignored);
  container_.close(ignored);
  port_.forget(shared_from_this());
}

void TcpConnection::finish() {
  abort();
  port_.forget(shared_from_this());
}

void TcpConnection::abort() {
  close_once();
  deadline_.cancel();
  for (tcp::socket* socket : {&client_, &container_}) {
    error_code ignored;
    socket->set_option(asio::socket_base::linger(true, 0), ignored);
    socket->close(ignored);
  }
}

}  // namespace

std::shared_ptr<RelayPort> make_tcp_port(RelayContext& context, sandbox::Fd socket,
                                         const Relay::Target& target) {
  return std::make_shared<TcpPort>(context, std::move(socket),
                                   tcp::endpoint(to_asio(target.address), target.port));
}

}  // namespace netd
