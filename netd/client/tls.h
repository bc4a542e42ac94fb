// TLS from a client's side: its files, one session, and what it means when none came about. Not for
// users of the client library: they have http.h. A program that only ever asks on a unix socket
// links netd_client_plain (no_tls.cpp): loading OpenSSL takes longer than all else at its start.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "netd/client/address.h"
#include "netd/client/http.h"

struct ssl_ctx_st;

namespace netd::client {

/// What one call on a session that doesn't block came to.
struct Moved {
  std::size_t bytes = 0;
  short wait_for = 0;  // POLLIN, POLLOUT: nothing moved yet; 0 without bytes: the other has ended
};

class TlsSession {
 public:
  virtual ~TlsSession() = default;
  /// POLLIN or POLLOUT: to be called again when the socket is ready; 0: done. Throws NoTls.
  virtual short shake_hands() = 0;
  /// Some of `text`.
  virtual Moved send(std::string_view text) = 0;
  /// Throws NoTls when the daemon refuses our certificate before it has said anything else (TLS 1.3
  /// tells it after the handshake, RFC 8446 4.4.2.4), another std::runtime_error for what is
  /// broken.
  virtual Moved receive(char* buffer, std::size_t size) = 0;
  /// True when what can be read is TLS' own (TLS 1.3 sends tickets), and says nothing.
  virtual bool is_quiet() = 0;
};

/// The files of `options`, read (SSL_CTX_new(3)); TLS 1.2 at least. Throws std::invalid_argument
/// that names the file and what to do about it.
std::shared_ptr<ssl_ctx_st> read_tls(const TlsOptions& options);

/// TLS on a connected socket, which stays the caller's. The certificate has to be for `address`'
/// name or IP address if the options verify. `host` names the daemon in what is thrown.
std::unique_ptr<TlsSession> begin_tls(ssl_ctx_st* tls, int socket, const Address& address,
                                      const std::string& host);

}  // namespace netd::client
