// HTTP/1.1 to netd's API socket, synchronous: what netctl, hooks and tests speak through.
// One Client is used by one thread at a time; it keeps its connection open between requests.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace netd::client {

inline constexpr std::string_view default_host = "unix:///run/netd/netd.sock";

/// Nobody listens at the address; `what()` names it and says what to do. netctl exits with 3.
struct NoDaemon : std::runtime_error {
  using std::runtime_error::runtime_error;
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

class Client {
 public:
  /// `host` is "unix:///path" or an absolute path; throws std::invalid_argument for anything else.
  /// `deadline` bounds each request as a whole; for a stream, the time until its head arrives.
  explicit Client(std::string host = std::string(default_host),
                  std::chrono::milliseconds deadline = std::chrono::seconds(120));
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// `target` is path and query, already encoded: "/networks/shop?verbose=true".
  /// Any status is an answer, not an error. Throws NoDaemon, or std::runtime_error when the daemon
  /// goes away or the deadline passes before the answer is complete.
  Response request(std::string_view method, std::string_view target,
                   const nlohmann::json* body = nullptr);

  /// GET of a stream of lines (JSON objects): `on_line` gets each non-empty one, without its
  /// newline, and ends the stream by returning false. Returns when the stream ends, with status and
  /// an empty body; an answer other than 200 comes back whole and calls nothing.
  Response stream(std::string_view target, const std::function<bool(std::string_view)>& on_line);

  const std::string& host() const { return host_; }

 private:
  using Clock = std::chrono::steady_clock;
  void connect();
  void disconnect();
  bool is_reusable() const;
  void send_request(std::string_view method, std::string_view target, const nlohmann::json* body,
                    Clock::time_point until);
  std::size_t receive(char* buffer, std::size_t size, const Clock::time_point* until);

  std::string host_;
  std::string path_;
  std::chrono::milliseconds deadline_;
  int socket_ = -1;
};

}  // namespace netd::client
