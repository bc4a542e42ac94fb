#include "netd/client/connection.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>
#include <system_error>

namespace netd::client {
namespace {

std::string errno_text(int error) {
  return std::system_category().message(error);
}

/// The first error of OpenSSL's queue, which is the cause; empties it.
std::string tls_text() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection ended";
  if (ERR_SYSTEM_ERROR(code)) return errno_text(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : fmt::format("OpenSSL error {:x}", code);
}

[[noreturn]] void fail_to_connect(const std::string& host, const std::string& reason) {
  throw NoDaemon(
      fmt::format("cannot connect to netd at {}: {}. Is the daemon running? "
                  "-H or NETD_HOST picks another address",
                  host, reason));
}

/// False when `until` passed.
bool wait_for(int socket, short events, const Clock::time_point* until) {
  int wait_ms = -1;
  if (until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
    if (left <= 0) return false;
    wait_ms = static_cast<int>(std::min<long>(left, std::numeric_limits<int>::max()));
  }
  pollfd waiting{socket, events, 0};
  poll(&waiting, 1, wait_ms);
  return true;
}

/// A connected socket, or -1 and errno.
int connect_to(const sockaddr* address, socklen_t size, Clock::time_point until) {
  const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  int error = connect(fd, address, size) == 0 ? 0 : errno;
  // A unix socket whose backlog is full says EAGAIN at once; a TCP one waits.
  if (error == EINPROGRESS) {
    pollfd state{fd, POLLOUT, 0};
    bool in_time = true;
    while (in_time && poll(&state, 1, 0) <= 0)
      in_time = wait_for(fd, POLLOUT, &until);
    socklen_t error_size = sizeof error;
    if (!in_time)
      error = ETIMEDOUT;
    else
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
  }
  if (error == 0) return fd;
  close(fd);
  errno = error;
  return -1;
}

int connect_unix(const Address& address, Clock::time_point until) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::copy(address.path.begin(), address.path.end(), name.sun_path);
  return connect_to(reinterpret_cast<const sockaddr*>(&name), sizeof name, until);
}

/// The first of the name's addresses that answers. The system's resolver has its own deadlines.
int connect_tcp(const Address& address, const std::string& host, Clock::time_point until) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = getaddrinfo(address.name.c_str(), address.port.c_str(), &hints, &found);
  if (problem != 0) fail_to_connect(host, gai_strerror(problem));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  int fd = -1;
  for (const addrinfo* one = found; one && fd < 0; one = one->ai_next)
    fd = connect_to(one->ai_addr, one->ai_addrlen, until);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void check_file(const char* what, const std::string& file, bool done) {
  if (done) return;
  throw std::invalid_argument(fmt::format("{} {}: {}", what, file, tls_text()));
}

/// netctl and the plugin host can't be asked for a passphrase.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

/// Sets whose certificate is expected: a name (also for SNI, RFC 6066 3) or an IP address.
void expect_name(SSL* tls, const std::string& name) {
  X509_VERIFY_PARAM* expected = SSL_get0_param(tls);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1) return;
  ERR_clear_error();
  SSL_set1_host(tls, name.c_str());
  SSL_set_tlsext_host_name(tls, name.c_str());
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

bool says_certificate_refused(unsigned long code) {
  switch (ERR_GET_REASON(code)) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

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
    check_file("CA certificate", options.ca_file,
               SSL_CTX_load_verify_file(tls.get(), options.ca_file.c_str()) == 1);
  if (!options.cert_file.empty())
    check_file("certificate", options.cert_file,
               SSL_CTX_use_certificate_chain_file(tls.get(), options.cert_file.c_str()) == 1);
  if (!options.key_file.empty())
    check_file(
        "key", options.key_file,
        SSL_CTX_use_PrivateKey_file(tls.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) == 1);
  return tls;
}

Connection::Connection(const Address& address, const std::string& host,
                       const std::shared_ptr<ssl_ctx_st>& tls, Clock::time_point until)
    : host_(host), tls_(nullptr, SSL_free) {
  socket_ = address.is_unix() ? connect_unix(address, until) : connect_tcp(address, host, until);
  if (socket_ < 0) fail_to_connect(host, errno_text(errno));
  try {
    if (tls) shake_hands(address, tls.get(), until);
  } catch (...) {
    close(socket_);
    throw;
  }
}

Connection::~Connection() {
  if (tls_) SSL_shutdown(tls_.get());  // says that we end; nobody waits for the answer
  ERR_clear_error();
  close(socket_);
}

void Connection::shake_hands(const Address& address, ssl_ctx_st* tls, Clock::time_point until) {
  ERR_clear_error();
  tls_.reset(SSL_new(tls));
  BIO* bio = tls_ ? BIO_new(quiet_socket()) : nullptr;
  if (!bio) fail_to_connect(host_, tls_text());
  BIO_set_fd(bio, socket_, BIO_NOCLOSE);
  SSL_set_bio(tls_.get(), bio, bio);
  if (!address.is_unix()) expect_name(tls_.get(), address.name);
  for (;;) {
    const int result = SSL_connect(tls_.get());
    if (result == 1) return;
    const int error = SSL_get_error(tls_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      if (!wait_for(socket_, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, &until))
        fail_to_connect(host_, "the TLS handshake took too long");
      continue;
    }
    const long verified = SSL_get_verify_result(tls_.get());
    std::string reason = tls_text();
    if (verified != X509_V_OK)
      reason =
          fmt::format("its certificate is not valid: {}", X509_verify_cert_error_string(verified));
    fail_to_connect(host_, "TLS: " + reason);
  }
}

void Connection::send(std::string_view text, Clock::time_point until) {
  while (!text.empty()) {
    ERR_clear_error();
    short wanted = POLLOUT;
    ssize_t sent = 0;
    if (tls_) {
      sent = SSL_write(tls_.get(), text.data(),
                       static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20)));
      const int error =
          sent > 0 ? SSL_ERROR_NONE : SSL_get_error(tls_.get(), static_cast<int>(sent));
      if (error == SSL_ERROR_WANT_READ) wanted = POLLIN;
      // The daemon has ended: what it said before is to be read.
      if (error == SSL_ERROR_SYSCALL || error == SSL_ERROR_SSL || error == SSL_ERROR_ZERO_RETURN)
        return;
    } else {
      sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      // A daemon that answers before it has read the body (413) stops reading: its answer counts.
      if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
      if (sent < 0 && errno != EAGAIN && errno != EINTR)
        throw std::system_error(errno, std::system_category(), "send the request to " + host_);
    }
    if (sent > 0)
      text.remove_prefix(static_cast<std::size_t>(sent));
    else if (!wait_for(socket_, wanted, &until))
      throw std::runtime_error(fmt::format("{} took no request within its deadline", host_));
  }
}

void Connection::fail_to_receive() const {
  const unsigned long code = ERR_peek_error();
  const bool refused = !answered_ && says_certificate_refused(code);
  const std::string reason = tls_text();
  if (refused) throw NoDaemon(fmt::format("{} does not accept our certificate: {}", host_, reason));
  throw std::runtime_error(fmt::format("read the answer of {}: {}", host_, reason));
}

/// Sets `wait_for` and returns 0 when there is nothing yet.
std::size_t Connection::receive_some(char* buffer, std::size_t size, short& wait_for) {
  if (!tls_) {
    const ssize_t received = recv(socket_, buffer, size, 0);
    if (received >= 0) return static_cast<std::size_t>(received);
    if (errno == ECONNRESET) return 0;
    if (errno != EAGAIN && errno != EINTR)
      throw std::system_error(errno, std::system_category(), "read the answer of " + host_);
    wait_for = POLLIN;
    return 0;
  }
  ERR_clear_error();
  const int received = SSL_read(tls_.get(), buffer, static_cast<int>(size));
  if (received > 0) return static_cast<std::size_t>(received);
  switch (SSL_get_error(tls_.get(), received)) {
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_WANT_READ:
      wait_for = POLLIN;
      return 0;
    case SSL_ERROR_WANT_WRITE:
      wait_for = POLLOUT;
      return 0;
    case SSL_ERROR_SYSCALL:
      if (errno == ECONNRESET) return 0;
      [[fallthrough]];
    default:
      fail_to_receive();
  }
}

std::size_t Connection::receive(char* buffer, std::size_t size, const Clock::time_point* until) {
  for (;;) {
    short events = 0;
    const std::size_t received = receive_some(buffer, size, events);
    if (received > 0) answered_ = true;
    if (received > 0 || events == 0) return received;
    if (!wait_for(socket_, events, until))
      throw std::runtime_error(host_ + " did not answer within its deadline");
  }
}

bool Connection::is_quiet() const {
  pollfd waiting{socket_, POLLIN, 0};
  if (poll(&waiting, 1, 0) == 0) return true;
  if (!tls_) return false;
  // TLS 1.3 sends session tickets after the handshake: readable, and yet nothing was said.
  char byte = 0;
  ERR_clear_error();
  const int peeked = SSL_peek(tls_.get(), &byte, 1);
  const bool nothing = peeked <= 0 && SSL_get_error(tls_.get(), peeked) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return nothing;
}

}  // namespace netd::client
