// One connection to a daemon, plain or TLS, with deadlines. Not for users of the client library:
// they have http.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "netd/client/address.h"
#include "netd/client/tls.h"

namespace netd::client {

using Clock = std::chrono::steady_clock;

class Connection {
 public:
  /// Connects, and shakes hands when `tls` is set. `host` names the daemon in what it throws:
  /// NoDaemon, NoTls.
  Connection(const Address& address, const std::string& host,
             const std::shared_ptr<ssl_ctx_st>& tls, Clock::time_point until);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends all of `text`; returns early when the daemon has stopped reading (its answer counts).
  void send(std::string_view text, Clock::time_point until);
  /// What has come, at most `size` bytes; 0 at the end. Without `until` it waits for as long as it
  /// takes. Throws NoTls when the daemon refuses our certificate (TLS 1.3 tells it this late,
  /// and has not looked at what was sent).
  std::size_t receive(char* buffer, std::size_t size, const Clock::time_point* until);
  /// False when the daemon has hung up, or said what nobody asked for.
  bool is_quiet() const;

 private:
  void shake_hands(const Address& address, ssl_ctx_st* tls, Clock::time_point until);
  Moved send_some(std::string_view text) const;
  Moved receive_some(char* buffer, std::size_t size) const;

  std::string host_;
  int socket_ = -1;
  std::unique_ptr<TlsSession> tls_;  // null = plain
};

}  // namespace netd::client
