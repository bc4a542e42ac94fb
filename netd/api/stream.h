// The bytes of one connection, plain or TLS: what Beast reads requests from and writes answers to
// (an AsyncReadStream and AsyncWriteStream).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <optional>
#include <utility>

#include "netd/api/tls.h"

namespace netd::api {

/// Unix and TCP alike.
using Socket = boost::asio::generic::stream_protocol::socket;

/// Begins plain; encrypted from start_tls() on. Only on the io thread.
class Stream {
 public:
  using executor_type = Socket::executor_type;
  using Tls = boost::asio::ssl::stream<Socket&>;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  /// The connection itself, below TLS.
  Socket& socket() { return socket_; }

  /// The handshake is the caller's: tls()->async_handshake().
  void start_tls(const TlsContext& context) {
    context_ = context;
    tls_.emplace(socket_, *context);
  }
  /// Null on a plain connection.
  Tls* tls() { return tls_ ? &*tls_ : nullptr; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    auto initiate = [this](auto handler, const Buffers& into) {
      if (tls_)
        tls_->async_read_some(into, std::move(handler));
      else
        socket_.async_read_some(into, std::move(handler));
    };
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        std::move(initiate), token, buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    auto initiate = [this](auto handler, const Buffers& from) {
      if (tls_)
        tls_->async_write_some(from, std::move(handler));
      else
        socket_.async_write_some(from, std::move(handler));
    };
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        std::move(initiate), token, buffers);
  }

 private:
  Socket socket_;
  TlsContext context_;
  std::optional<Tls> tls_;
};

}  // namespace netd::api
