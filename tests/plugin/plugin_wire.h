// The bytes below a scripted plugin: listening on a unix socket or TCP, one connection plain or
// TLS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace tests {

/// Files of a plugin's TLS.
struct PluginTls {
  std::string cert;
  std::string key;
  std::string client_ca;  // whose clients it lets in; empty = it asks for no certificate
  bool old = false;       // TLS 1.2, the oldest that netd speaks
};

/// Throws std::runtime_error when the files can't be used. Null for no files.
std::shared_ptr<ssl_ctx_st> make_plugin_tls(const PluginTls* files);

/// Listening sockets. Throw std::system_error. The path's directories are made.
int listen_at_path(const std::string& path);
int listen_at_loopback(const std::string& address, std::uint16_t& port);

/// Waits for `socket`; false when `stop` says that all is over. A negative socket: for `stop` only.
bool await(int socket, int stop);

/// One connection; reading and writing fail after ten seconds without progress.
class PluginWire {
 public:
  /// Owns `socket`. Shakes hands when `tls` is set.
  PluginWire(int socket, const std::shared_ptr<ssl_ctx_st>& tls);
  ~PluginWire();
  PluginWire(const PluginWire&) = delete;
  PluginWire& operator=(const PluginWire&) = delete;

  /// False when the handshake failed.
  bool is_open() const { return open_; }
  void write(std::string_view text);
  /// What comes; "" at the end, and when `stop` (-1 = none) says that all is over.
  std::string read(int stop);
  void shut_down();

 private:
  int socket_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_;
  bool open_ = true;
};

}  // namespace tests
