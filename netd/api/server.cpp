#include "netd/api/server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <set>
#include <string_view>
#include <utility>

#include "netd/api/listen.h"
#include "netd/api/session.h"
#include "netd/log.h"

namespace netd::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

// Connections over the limit that are being told so; above, they are closed without a word.
constexpr std::size_t most_turned_away = 64;
constexpr std::chrono::milliseconds pause_without_descriptors{100};

void log_end(std::string_view what, const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    log::warn("API connection ended", {{"in", std::string(what)}, {"error", error.what()}});
  }
}

}  // namespace

struct Server::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, asio::thread_pool& control, Handler handler,
        ServerLimits server_limits)
      : io(context),
        shared(std::make_shared<SessionShared>(context.get_executor(), control.get_executor(),
                                               std::move(handler), server_limits)) {}

  void listen(int fd, TlsContext tls);
  asio::awaitable<void> accept(std::shared_ptr<State> self, std::shared_ptr<Acceptor> acceptor,
                               TlsContext tls);
  void welcome(Socket socket, const TlsContext& tls);
  void turn_away_or_drop(const std::shared_ptr<Connection>& connection);
  asio::awaitable<void> secure_and_serve(std::shared_ptr<State> self,
                                         std::shared_ptr<Connection> connection);
  void close_all();

  asio::io_context& io;
  std::shared_ptr<SessionShared> shared;
  std::vector<std::shared_ptr<Acceptor>> acceptors;
  std::vector<std::string> paths;
  std::set<std::shared_ptr<Connection>> open;
  std::size_t turned_away = 0;
  std::size_t handshakes = 0;
  bool stopped = false;
};

void Server::State::listen(int fd, TlsContext tls) {
  const asio::generic::stream_protocol protocol(family_of(fd), 0);
  auto acceptor = std::make_shared<Acceptor>(io, protocol, fd);
  acceptors.push_back(acceptor);
  asio::co_spawn(io, accept(shared_from_this(), acceptor, std::move(tls)),
                 [](std::exception_ptr failure) { log_end("accept", failure); });
}

asio::awaitable<void> Server::State::accept(std::shared_ptr<State> self,
                                            std::shared_ptr<Acceptor> acceptor, TlsContext tls) {
  while (!self->stopped) {
    Socket socket(self->io);
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await acceptor->async_accept(socket, token);
    if (!acceptor->is_open()) co_return;
    if (!error) {
      self->welcome(std::move(socket), tls);
    } else {
      // EMFILE and the like: the next one would fail as well, until connections have ended.
      log::warn("API connection not accepted, trying again", {{"error", error.message()}});
      asio::steady_timer pause(self->io, pause_without_descriptors);
      co_await pause.async_wait(token);
    }
  }
}

void Server::State::turn_away_or_drop(const std::shared_ptr<Connection>& connection) {
  // A TLS client could read the answer only after a handshake, which is the work to be saved.
  if (connection->tls())
    return shared->refusals.refused(connection->peer().address, "too many connections");
  if (turned_away >= most_turned_away) return;
  ++turned_away;
  asio::co_spawn(io, turn_away(shared, connection),
                 [self = shared_from_this()](std::exception_ptr failure) {
                   --self->turned_away;
                   log_end("turn away", failure);
                 });
}

void Server::State::welcome(Socket socket, const TlsContext& tls) {
  auto connection = std::make_shared<Connection>(std::move(socket), tls);
  // Who has shown no certificate may not keep those out who can.
  const bool full =
      open.size() >= shared->limits.connections || (tls && handshakes >= shared->limits.handshakes);
  if (full) return turn_away_or_drop(connection);
  open.insert(connection);
  asio::co_spawn(io, secure_and_serve(shared_from_this(), connection),
                 [self = shared_from_this(), connection](std::exception_ptr failure) {
                   self->open.erase(connection);
                   log_end("serve", failure);
                 });
}

asio::awaitable<void> Server::State::secure_and_serve(std::shared_ptr<State> self,
                                                      std::shared_ptr<Connection> connection) {
  if (connection->tls()) {
    ++self->handshakes;
    const std::shared_ptr<void> done(nullptr, [self](void*) { --self->handshakes; });
    const bool secured = co_await secure(self->shared, connection);
    if (!secured) co_return;
  }
  co_await serve(self->shared, connection);
}

void Server::State::close_all() {
  if (std::exchange(stopped, true)) return;
  error_code ignored;
  for (const auto& acceptor : acceptors)
    acceptor->close(ignored);
  for (const std::string& path : paths)
    unlink(path.c_str());
  shared->refusals.close();
  for (const auto& connection : open)
    connection->shut_down();
}

Server::Server(asio::io_context& io, asio::thread_pool& control, Handler handler,
               ServerLimits limits)
    : state_(std::make_shared<State>(io, control, std::move(handler), limits)) {}

Server::~Server() {
  stop();
}

void Server::listen_unix(const std::string& path, mode_t mode, gid_t group) {
  state_->listen(listen_at_path(path, mode, group), {});
  state_->paths.push_back(path);
}

std::uint16_t Server::listen_tcp(const std::string& address, std::uint16_t port, TlsContext tls) {
  const int fd = listen_at_address(address, port);
  state_->listen(fd, std::move(tls));
  sockaddr_in6 bound{};  // sin6_port is where sin_port is
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  return ntohs(bound.sin6_port);
}

void Server::adopt(int listening_fd, TlsContext tls) {
  state_->listen(listening_fd, std::move(tls));
}

void Server::stop() {
  asio::post(state_->io, [state = state_] { state->close_all(); });
}

std::size_t Server::connections() const {
  return state_->open.size();
}

}  // namespace netd::api
