// TLS from a client's side: its files, one session, and what it means when none came about. Not for
// users of the client library: they have http.h.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "netd/client/address.h"
#include "netd/client/http.h"

struct ssl_ctx_st;
struct ssl_st;

namespace netd::client {

using TlsSession = std::unique_ptr<ssl_st, void (*)(ssl_st*)>;

/// The files of `options`, read (SSL_CTX_new(3)); TLS 1.2 at least. Throws std::invalid_argument
/// that names the file and what to do about it.
std::shared_ptr<ssl_ctx_st> read_tls(const TlsOptions& options);

/// TLS on a connected socket, whose handshake is the caller's: SSL_connect(3). The certificate has
/// to be for `address`' name or IP address if the options verify.
TlsSession begin_tls(ssl_ctx_st* tls, int socket, const Address& address);

/// Why SSL_connect(3) failed. Empties OpenSSL's queue of errors.
NoTls handshake_failure(const ssl_st* session, const std::string& host);

/// Set when the error in OpenSSL's queue is that the other side does not accept our certificate;
/// TLS 1.3 tells it after the handshake (RFC 8446 4.4.2.4). Leaves the queue as it is.
std::optional<NoTls> find_refusal(const ssl_st* session, const std::string& host);

/// The first error of OpenSSL's queue, which is the cause; empties it. "the connection ended" when
/// there is none.
std::string tls_text();

}  // namespace netd::client
