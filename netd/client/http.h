// HTTP/1.1 to netd's API, to plugins and to engines, synchronous: over a unix socket, TCP or TLS.
// One Client is used by one thread at a time; it keeps its connection open between requests.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netd/client/address.h"

struct ssl_ctx_st;

namespace netd::client {

inline constexpr std::string_view default_host = "unix:///run/netd/netd.sock";

/// No connection came about: nobody listens, or the deadline passed before. Nothing that was asked
/// has been looked at. `what()`: "cannot connect to unix:///run/netd/netd.sock: Connection
/// refused".
struct NoDaemon : std::runtime_error {
  NoDaemon(const std::string& host, std::string why);
  std::string reason;  // "Connection refused"
};

/// What stands between us and somebody who listens.
enum class TlsProblem {
  untrusted,     // its certificate is of an authority that we were not told to believe
  expired,       // its certificate is, or is not valid yet
  wrong_name,    // its certificate is not for the host's name or IP address
  invalid,       // its certificate, for another reason
  refused,       // it does not accept our certificate
  wanted,        // it wants a certificate, and we have none
  no_handshake,  // it speaks no TLS, or no version of it that we do
};

/// Somebody listens, but TLS did not come about.
struct NoTls : NoDaemon {
  NoTls(const std::string& host, TlsProblem what_is_wrong, const std::string& why);
  TlsProblem problem;
};

struct Response {
  int status = 0;
  std::string content_type;
  std::string body;

  bool ok() const { return status >= 200 && status < 300; }
  /// The body as JSON; null when it is empty. Throws std::runtime_error when it is something else.
  nlohmann::json json() const;
  /// What an error says: "message" of its JSON, else the body, else the status.
  std::string message() const;
};

/// Percent-encodes one path segment or query value (RFC 3986 2.3: unreserved characters stay).
std::string encode(std::string_view text);

/// Files in PEM. TLS 1.2 and 1.3.
struct TlsOptions {
  std::string ca_file;    // whose certificates are believed; empty = the system's
  std::string cert_file;  // ours, with its chain; empty = we show none
  std::string key_file;
  bool verify = true;  // the other's certificate, and that it is for the host's name or IP address
};

struct ClientOptions {
  std::string host = std::string(default_host);
  /// Bounds each request as a whole, connecting and handshake included (not the look-up of a name:
  /// the system's resolver has its own); for a stream, the time until its head arrives.
  std::chrono::milliseconds deadline = std::chrono::seconds(120);
  std::optional<TlsOptions> tls;                             // empty = plain
  std::vector<std::pair<std::string, std::string>> headers;  // sent with each request
  std::string host_header;                                   // empty = the address's
  std::string content_type = "application/json";  // of what is sent; empty = no such header
  std::uint64_t body_limit_bytes = 256ull * 1024 * 1024;
};

class Connection;

class Client {
 public:
  /// `host` is "unix:///path", an absolute path, or "tcp://name:port" ("tcp://[::1]:2376").
  /// Connects at the first request. Throws std::invalid_argument for another host, and for a file
  /// that can't be used.
  explicit Client(ClientOptions options);
  explicit Client(std::string host = std::string(default_host),
                  std::chrono::milliseconds deadline = std::chrono::seconds(120));
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// `target` is path and query, already encoded: "/networks/shop?verbose=true".
  /// Any status is an answer, not an error. Throws NoDaemon when no connection came about (NoTls
  /// when that is for certificates' sake); another std::runtime_error when the request was sent,
  /// and the daemon goes away or the deadline passes before the answer is complete: whether it did
  /// what was asked is then not known.
  Response request(std::string_view method, std::string_view target,
                   const nlohmann::json* body = nullptr);

  /// GET of a stream of lines (JSON objects): `on_line` gets each non-empty one, without its
  /// newline, and ends the stream by returning false. Returns when the stream ends, with status and
  /// an empty body; an answer other than 200 comes back whole and calls nothing.
  Response stream(std::string_view target, const std::function<bool(std::string_view)>& on_line);

  const std::string& host() const { return options_.host; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  void connect(TimePoint until);
  void send_request(std::string_view method, std::string_view target, const nlohmann::json* body,
                    TimePoint until);

  ClientOptions options_;
  Address address_;
  std::shared_ptr<ssl_ctx_st> tls_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace netd::client
