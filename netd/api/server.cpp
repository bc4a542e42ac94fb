#include "netd/api/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <exception>
#include <set>
#include <system_error>
#include <utility>

#include "netd/api/session.h"
#include "netd/log.h"

namespace netd::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

constexpr int backlog = 4096;
// Connections over the limit that are being told so; above, they are closed without a word.
constexpr std::size_t most_turned_away = 64;
constexpr std::chrono::milliseconds pause_without_descriptors{100};

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

/// A bound, not yet listening socket; mode and group are set before anybody can connect.
int bind_unix(const std::string& path, mode_t mode, gid_t group) {
  const std::string what = fmt::format("listen at unix://{}", path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(what);
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail(what);
  const bool done = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    chown(path.c_str(), static_cast<uid_t>(-1), group) == 0 &&
                    chmod(path.c_str(), mode) == 0 && listen(fd, backlog) == 0;
  if (done) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  fail(what);
}

int family_of(int fd) {
  int family = 0;
  socklen_t size = sizeof family;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
    fail(fmt::format("serve descriptor {}", fd));
  return family;
}

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
        shared(std::make_shared<SessionShared>(SessionShared{
            context.get_executor(), control.get_executor(), std::move(handler), server_limits})) {}

  void listen(int fd);
  asio::awaitable<void> accept(std::shared_ptr<State> self, std::shared_ptr<Acceptor> acceptor);
  void welcome(Socket socket);
  void close_all();

  asio::io_context& io;
  std::shared_ptr<SessionShared> shared;
  std::vector<std::shared_ptr<Acceptor>> acceptors;
  std::vector<std::string> paths;
  std::set<std::shared_ptr<Connection>> open;
  std::size_t turned_away = 0;
  bool stopped = false;
};

void Server::State::listen(int fd) {
  const asio::generic::stream_protocol protocol(family_of(fd), 0);
  auto acceptor = std::make_shared<Acceptor>(io, protocol, fd);
  acceptors.push_back(acceptor);
  asio::co_spawn(io, accept(shared_from_this(), acceptor),
                 [](std::exception_ptr failure) { log_end("accept", failure); });
}

asio::awaitable<void> Server::State::accept(std::shared_ptr<State> self,
                                            std::shared_ptr<Acceptor> acceptor) {
  while (!self->stopped) {
    Socket socket(self->io);
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await acceptor->async_accept(socket, token);
    if (!acceptor->is_open()) co_return;
    if (!error) {
      self->welcome(std::move(socket));
    } else {
      // EMFILE and the like: the next one would fail as well, until connections have ended.
      log::warn("API connection not accepted, trying again", {{"error", error.message()}});
      asio::steady_timer pause(self->io, pause_without_descriptors);
      co_await pause.async_wait(token);
    }
  }
}

void Server::State::welcome(Socket socket) {
  auto connection = std::make_shared<Connection>(std::move(socket));
  if (open.size() >= shared->limits.connections) {
    if (turned_away >= most_turned_away) return;
    ++turned_away;
    asio::co_spawn(io, turn_away(shared, connection),
                   [self = shared_from_this()](std::exception_ptr failure) {
                     --self->turned_away;
                     log_end("turn away", failure);
                   });
    return;
  }
  open.insert(connection);
  asio::co_spawn(io, serve(shared, connection),
                 [self = shared_from_this(), connection](std::exception_ptr failure) {
                   self->open.erase(connection);
                   log_end("serve", failure);
                 });
}

void Server::State::close_all() {
  if (std::exchange(stopped, true)) return;
  error_code ignored;
  for (const auto& acceptor : acceptors)
    acceptor->close(ignored);
  for (const std::string& path : paths)
    unlink(path.c_str());
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
  state_->listen(bind_unix(path, mode, group));
  state_->paths.push_back(path);
}

void Server::adopt(int listening_fd) {
  state_->listen(listening_fd);
}

void Server::stop() {
  asio::post(state_->io, [state = state_] { state->close_all(); });
}

std::size_t Server::connections() const {
  return state_->open.size();
}

}  // namespace netd::api
