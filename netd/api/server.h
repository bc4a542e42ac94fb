// The API's HTTP/1.1 server: reads requests on the io thread, has each answered on the control
// thread, writes the answers back on the io thread. Knows nothing of what the requests mean.
#pragma once

#include <sys/types.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "netd/api/message.h"
#include "netd/api/tls.h"

namespace netd::api {

/// Nothing that a client does can cost more than this.
struct ServerLimits {
  std::size_t header_bytes = 8 * 1024;   // 431 above
  std::size_t body_bytes = 1024 * 1024;  // 413 above
  std::size_t connections = 4096;        // 503 above (TLS: closed)
  std::size_t handshakes = 256;          // TLS connections that have yet to show who they are
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);  // closed
  /// One line in the log for all that are refused meanwhile (refusal_log.h).
  std::chrono::milliseconds refusal_log_interval = std::chrono::seconds(10);
  std::chrono::milliseconds request_timeout =
      std::chrono::seconds(30);                                        // head and body: 408, closed
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(120);  // between requests: closed
  std::chrono::milliseconds write_timeout = std::chrono::seconds(30);  // of one answer: closed
};

class Server {
 public:
  /// Called on the control thread; must not throw.
  using Handler = std::function<Response(const Request&)>;

  /// `io` is run by one thread. It, `control` and what `handler` uses outlive the server. The end:
  /// stop(), join the control pool, run `io` until it is out of work, destroy.
  Server(boost::asio::io_context& io, boost::asio::thread_pool& control, Handler handler,
         ServerLimits limits = {});
  ~Server();

  /// Listens at `path` with `mode` (and the group, unless it is -1); a socket file that is there is
  /// replaced, and removed again by stop(). Throws std::system_error "listen at unix://PATH: …".
  void listen_unix(const std::string& path, mode_t mode, gid_t group = static_cast<gid_t>(-1));
  /// Listens at an IP address; clients speak TLS when `tls` is set. Returns the port, which is
  /// chosen by the kernel for 0. Throws std::system_error "listen at tcp://ADDRESS:PORT: …".
  std::uint16_t listen_tcp(const std::string& address, std::uint16_t port, TlsContext tls);
  /// Serves a listening socket (unix or TCP) that somebody else opened (sd_listen_fds(3)); takes
  /// ownership of `listening_fd`. Throws std::system_error.
  void adopt(int listening_fd, TlsContext tls = {});

  /// Accepts nothing more and closes all connections; requests being answered are still carried
  /// out. Thread-safe; the closing itself happens on the io thread.
  void stop();
  /// Open connections. Only on the io thread.
  std::size_t connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace netd::api
