#include "netd/client/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace netd::client {
namespace {

std::string text_of(unsigned long code) {
  if (ERR_SYSTEM_ERROR(code)) return std::system_category().message(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : fmt::format("OpenSSL error {:x}", code);
}

/// Throws what the error in OpenSSL's queue means for a file of PEM that could not be used.
[[noreturn]] void refuse_file(std::string_view what, const std::string& file,
                              std::string_view otherwise) {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (code != 0 && ERR_SYSTEM_ERROR(code))
    throw std::invalid_argument(
        fmt::format("{} {}: {}; name a file that is there", what, file, text_of(code)));
  throw std::invalid_argument(fmt::format("{} {}: {}", what, file, otherwise));
}

/// netctl and the plugin host can't be asked for a passphrase.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

void read_ca(SSL_CTX* tls, const std::string& file) {
  if (SSL_CTX_load_verify_file(tls, file.c_str()) != 1)
    refuse_file("CA certificate", file, "holds no certificate in PEM");
}

void read_certificate(SSL_CTX* tls, const TlsOptions& options) {
  if (options.key_file.empty())
    throw std::invalid_argument(
        fmt::format("certificate {}: its key is missing; name its file too", options.cert_file));
  if (SSL_CTX_use_certificate_chain_file(tls, options.cert_file.c_str()) != 1)
    refuse_file("certificate", options.cert_file, "holds no certificate in PEM");
  if (SSL_CTX_use_PrivateKey_file(tls, options.key_file.c_str(), SSL_FILETYPE_PEM) == 1) return;
  const int reason = ERR_GET_REASON(ERR_peek_error());
  if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
    refuse_file("key", options.key_file,
                fmt::format("is not the key of {}; name the two that were made together",
                            options.cert_file));
  refuse_file("key", options.key_file,
              "holds no key in PEM that is readable without a passphrase; `openssl pkey -in KEY "
              "-out PLAIN` takes a passphrase off");
}

/// Sets whose certificate is expected: a name (also for SNI, RFC 6066 3) or an IP address.
void expect_name(SSL* session, const std::string& name) {
  X509_VERIFY_PARAM* expected = SSL_get0_param(session);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1) return;
  ERR_clear_error();
  SSL_set1_host(session, name.c_str());
  SSL_set_tlsext_host_name(session, name.c_str());
}

int send_quietly(BIO* bio, const char* data, int size) {
  int fd = -1;
  BIO_get_fd(bio, &fd);
  BIO_clear_retry_flags(bio);
  const auto sent =
      static_cast<int>(::send(fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL));
  if (sent < 0 && BIO_sock_should_retry(sent)) BIO_set_retry_write(bio);
  return sent;
}

/// OpenSSL's socket BIO writes with write(2): a daemon that hung up would end us with SIGPIPE.
const BIO_METHOD* quiet_socket() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quiet socket");
    const BIO_METHOD* usual = BIO_s_socket();
    BIO_meth_set_write(made, send_quietly);
    BIO_meth_set_read(made, BIO_meth_get_read(usual));
    BIO_meth_set_ctrl(made, BIO_meth_get_ctrl(usual));
    BIO_meth_set_create(made, BIO_meth_get_create(usual));
    BIO_meth_set_destroy(made, BIO_meth_get_destroy(usual));
    return made;
  }();
  return method;
}

TlsProblem problem_of(long verified) {
  switch (verified) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return TlsProblem::untrusted;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsProblem::expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return TlsProblem::wrong_name;
    default:
      return TlsProblem::invalid;
  }
}

bool is_about_our_certificate(const ssl_st* session, unsigned long code) {
  switch (ERR_GET_REASON(code)) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return true;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      // TLS 1.2 has no other word for a missing certificate; the list is there once one was asked
      // for (RFC 5246 7.4.4).
      return SSL_get_certificate(session) == nullptr && SSL_get0_peer_CA_list(session) != nullptr;
    default:
      return false;
  }
}

/// The first error of OpenSSL's queue, which is the cause; empties it.
std::string tls_text() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  return code == 0 ? "the connection ended" : text_of(code);
}

/// Set when the error in OpenSSL's queue is that the other side does not accept our certificate.
std::optional<NoTls> find_refusal(const ssl_st* session, const std::string& host) {
  const unsigned long code = ERR_peek_error();
  if (!is_about_our_certificate(session, code)) return std::nullopt;
  if (!SSL_get_certificate(session))
    return NoTls(host, TlsProblem::wanted, "it wants a certificate of ours: " + text_of(code));
  return NoTls(host, TlsProblem::refused, "it does not accept our certificate: " + text_of(code));
}

/// Why SSL_connect(3) failed.
NoTls handshake_failure(const ssl_st* session, const std::string& host) {
  const auto refusal = find_refusal(session, host);
  const std::string reason = tls_text();
  if (refusal) return *refusal;
  const long verified = SSL_get_verify_result(session);
  if (verified == X509_V_OK || SSL_get_verify_mode(session) == SSL_VERIFY_NONE)
    return {host, TlsProblem::no_handshake, reason};
  return {host, problem_of(verified),
          fmt::format("its certificate is not valid: {}", X509_verify_cert_error_string(verified))};
}

class OpenSslSession : public TlsSession {
 public:
  OpenSslSession(ssl_ctx_st* tls, int socket, const Address& address, std::string host)
      : host_(std::move(host)), session_(SSL_new(tls), SSL_free) {
    BIO* bio = session_ ? BIO_new(quiet_socket()) : nullptr;
    if (!bio) throw std::runtime_error("start TLS: " + tls_text());
    BIO_set_fd(bio, socket, BIO_NOCLOSE);
    SSL_set_bio(session_.get(), bio, bio);
    if (!address.is_unix()) expect_name(session_.get(), address.name);
  }
  ~OpenSslSession() override {
    SSL_shutdown(session_.get());  // says that we end; nobody waits for the answer
    ERR_clear_error();
  }

  short shake_hands() override {
    ERR_clear_error();
    const int result = SSL_connect(session_.get());
    if (result == 1) return 0;
    if (const short wanted = wanted_after(result)) return wanted;
    throw handshake_failure(session_.get(), host_);
  }

  Moved send(std::string_view text) override {
    ERR_clear_error();
    const int sent = SSL_write(session_.get(), text.data(),
                               static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20)));
    if (sent > 0) return {static_cast<std::size_t>(sent), 0};
    return {0, wanted_after(sent)};
  }

  Moved receive(char* buffer, std::size_t size) override {
    ERR_clear_error();
    const int received = SSL_read(session_.get(), buffer, static_cast<int>(size));
    if (received > 0) {
      answered_ = true;
      return {static_cast<std::size_t>(received), 0};
    }
    if (const short wanted = wanted_after(received)) return {0, wanted};
    const int error = SSL_get_error(session_.get(), received);
    if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && errno == ECONNRESET))
      return {};
    const auto refusal = answered_ ? std::nullopt : find_refusal(session_.get(), host_);
    const std::string reason = tls_text();
    if (refusal) throw *refusal;
    throw std::runtime_error(fmt::format("read the answer of {}: {}", host_, reason));
  }

  bool is_quiet() override {
    char byte = 0;
    ERR_clear_error();
    const int peeked = SSL_peek(session_.get(), &byte, 1);
    const bool nothing =
        peeked <= 0 && SSL_get_error(session_.get(), peeked) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return nothing;
  }

 private:
  short wanted_after(int result) const {
    switch (SSL_get_error(session_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return POLLIN;
      case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
      default:
        return 0;
    }
  }

  std::string host_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> session_;
  bool answered_ = false;
};

}  // namespace

std::shared_ptr<ssl_ctx_st> read_tls(const TlsOptions& options) {
  ERR_clear_error();
  std::shared_ptr<ssl_ctx_st> tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!tls) throw std::runtime_error("start TLS: " + tls_text());
  SSL_CTX_set_min_proto_version(tls.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(tls.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_default_passwd_cb(tls.get(), no_passphrase);
  SSL_CTX_set_verify(tls.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.ca_file.empty())
    SSL_CTX_set_default_verify_paths(tls.get());
  else
    read_ca(tls.get(), options.ca_file);
  if (!options.cert_file.empty())
    read_certificate(tls.get(), options);
  else if (!options.key_file.empty())
    throw std::invalid_argument(
        fmt::format("key {}: its certificate is missing; name its file too", options.key_file));
  return tls;
}

std::unique_ptr<TlsSession> begin_tls(ssl_ctx_st* tls, int socket, const Address& address,
                                      const std::string& host) {
  ERR_clear_error();
  return std::make_unique<OpenSslSession>(tls, socket, address, host);
}

}  // namespace netd::client
