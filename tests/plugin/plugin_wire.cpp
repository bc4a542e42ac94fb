#include "tests/plugin/plugin_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace tests {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

std::shared_ptr<ssl_ctx_st> make_plugin_tls(const PluginTls* files) {
  if (!files) return nullptr;
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2)
  std::shared_ptr<ssl_ctx_st> tls(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (files->old) SSL_CTX_set_max_proto_version(tls.get(), TLS1_2_VERSION);
  bool usable = SSL_CTX_use_certificate_chain_file(tls.get(), files->cert.c_str()) == 1 &&
                SSL_CTX_use_PrivateKey_file(tls.get(), files->key.c_str(), SSL_FILETYPE_PEM) == 1;
  if (!files->client_ca.empty()) {
    usable = usable && SSL_CTX_load_verify_file(tls.get(), files->client_ca.c_str()) == 1;
    SSL_CTX_set_verify(tls.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  if (!usable) throw std::runtime_error("the plugin's certificates can't be used");
  return tls;
}

int listen_at_path(const std::string& path) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, 128) != 0)
    fail("listen at " + path);
  return fd;
}

int listen_at_loopback(const std::string& address, std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  socklen_t size = sizeof name;
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), size) != 0 || listen(fd, 128) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0)
    fail("listen at " + address);
  port = ntohs(name.sin_port);
  return fd;
}

bool await(int socket, int stop) {
  std::array<pollfd, 2> waiting{pollfd{socket, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
  while (poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
  }
  return (waiting[1].revents & POLLIN) == 0;
}

PluginWire::PluginWire(int socket, const std::shared_ptr<ssl_ctx_st>& tls)
    : socket_(socket), tls_(tls ? SSL_new(tls.get()) : nullptr, SSL_free) {
  const timeval patience{10, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (!tls_) return;
  SSL_set_fd(tls_.get(), socket_);
  open_ = SSL_accept(tls_.get()) == 1;
}

PluginWire::~PluginWire() {
  if (tls_ && open_) SSL_shutdown(tls_.get());
  close(socket_);
}

void PluginWire::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = tls_ ? SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()))
                              : send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string PluginWire::read(int stop) {
  std::array<char, 4096> buffer{};
  const bool has_some = tls_ && SSL_pending(tls_.get()) > 0;
  if (!has_some && !await(socket_, stop)) return "";
  const ssize_t count = tls_ ? SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()))
                             : recv(socket_, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(count > 0 ? count : 0)};
}

void PluginWire::shut_down() {
  shutdown(socket_, SHUT_RDWR);
}

}  // namespace tests
