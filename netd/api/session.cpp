#include "netd/api/session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "netd/api/listen.h"

namespace netd::api {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;
using Buffer = boost::beast::flat_buffer;

constexpr std::size_t read_bytes = 16 * 1024;
// After a refused body: how much of the rest is read and dropped, so that the client gets to read
// the answer instead of a reset connection (RFC 9112 9.6).
constexpr std::size_t linger_bytes = 4 * 1024 * 1024;
constexpr std::chrono::seconds linger_time{2};

constexpr std::string_view continue_text = "HTTP/1.1 100 Continue\r\n\r\n";

/// Runs the handler on the control thread; `request` lives until the token completes, which it does
/// on the io thread.
template <class Token>
auto answer_on_control(const std::shared_ptr<SessionShared>& shared, const Request& request,
                       Token&& token) {
  auto initiate = [](auto handler, std::shared_ptr<SessionShared> state, const Request* asked) {
    auto work = asio::make_work_guard(state->io);
    auto carry_out = [handler = std::move(handler), state, asked,
                      work = std::move(work)]() mutable {
      Response response = state->handler(*asked);
      auto finish = [handler = std::move(handler), work = std::move(work),
                     io = state->io](Response answer) mutable {
        asio::post(io, [handler = std::move(handler), answer = std::move(answer)]() mutable {
          std::move(handler)(std::move(answer));
        });
      };
      if (!response.later) return finish(std::move(response));
      const auto shared_finish = std::make_shared<decltype(finish)>(std::move(finish));
      response.later([shared_finish](Response answer) { (*shared_finish)(std::move(answer)); });
    };
    asio::post(state->control, std::move(carry_out));
  };
  return asio::async_initiate<Token, void(Response)>(std::move(initiate), token, shared, &request);
}

Request to_request(Parser& parser) {
  auto& message = parser.get();
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  if (const auto type = message.find(http::field::content_type); type != message.end())
    request.content_type = std::string(type->value());
  request.accept = std::string(message[http::field::accept]);
  request.chunked = parser.chunked();
  request.body = std::move(message.body());
  return request;
}

/// The answer to what could not be read; absent when there is nobody to answer.
std::optional<Response> answer_to_error(const error_code& error, bool expired, bool began) {
  if (expired) {
    if (!began) return std::nullopt;
    return error_response(408, "the request did not arrive in time");
  }
  if (error == http::error::end_of_stream || error == asio::error::eof ||
      error == asio::error::operation_aborted)
    return std::nullopt;
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return error_response(431, "the request's header is too large");
  if (error == http::error::body_limit)
    return error_response(413, "the request's body is too large");
  if (error.category() == http::make_error_code(http::error::bad_method).category())
    return error_response(400, "malformed HTTP request: " + error.message());
  return std::nullopt;
}

http::response<http::string_body> to_message(Response response, unsigned version, bool keep_alive) {
  http::response<http::string_body> message;
  message.version(version);
  message.result(static_cast<unsigned>(response.status));
  for (const auto& [name, value] : response.headers)
    message.set(name, value);
  if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
  message.keep_alive(keep_alive);
  if (response.lines) return message;
  message.body() = std::move(response.body);
  if (response.status != 204) message.content_length(message.body().size());  // RFC 9110 8.6
  return message;
}

/// True when it was written.
awaitable<bool> write_answer(std::shared_ptr<SessionShared> shared,
                             std::shared_ptr<Connection> connection,
                             http::response<http::string_body>& message, bool head_only) {
  http::response_serializer<http::string_body> serializer(message);
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  connection->set_deadline(shared->limits.write_timeout, Connection::Direction::both);
  if (head_only)
    co_await http::async_write_header(connection->stream(), serializer, token);
  else
    co_await http::async_write(connection->stream(), serializer, token);
  connection->clear_deadline();
  co_return !error;
}

/// Writes bytes as they are; false when the client is gone or too slow.
awaitable<bool> write_text(std::shared_ptr<SessionShared> shared,
                           std::shared_ptr<Connection> connection, std::string text) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  const auto bytes = asio::buffer(text);
  connection->set_deadline(shared->limits.write_timeout, Connection::Direction::both);
  co_await asio::async_write(connection->stream(), bytes, token);
  connection->clear_deadline();
  co_return !error;
}

/// RFC 9112 7.1
std::string to_chunk(const std::string& text) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}

/// Waits until the connection's signal is cancelled (there are lines) or `end` comes.
awaitable<void> await_lines(std::shared_ptr<Connection> connection,
                            std::optional<std::chrono::system_clock::time_point> end) {
  auto& signal = connection->signal();
  if (end)
    signal.expires_after(*end - std::chrono::system_clock::now());
  else
    signal.expires_at(std::chrono::steady_clock::time_point::max());
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await signal.async_wait(token);
}

/// Sends the queue's lines until it closes, its end comes or the client goes.
awaitable<void> stream_lines(std::shared_ptr<SessionShared> shared,
                             std::shared_ptr<Connection> connection,
                             std::shared_ptr<LineQueue> lines, bool chunked) {
  for (bool goes_on = true; goes_on;) {
    goes_on = !lines->end() || std::chrono::system_clock::now() < *lines->end();
    LineQueue::Taken taken = lines->take();
    if (taken.closed) goes_on = false;
    if (!taken.text.empty()) {
      std::string text = chunked ? to_chunk(taken.text) : std::move(taken.text);
      const bool written = co_await write_text(shared, connection, std::move(text));
      if (!written) co_return;
    } else if (goes_on) {
      // Only right after an empty take(): a signal during a write would be missed.
      if (connection->is_shut_down()) co_return;
      co_await await_lines(connection, lines->end());
    }
  }
  std::string last = chunked ? "0\r\n\r\n" : "";
  co_await write_text(shared, connection, std::move(last));
}

/// Wakes the stream when lines come, and ends it when the client hangs up or says anything more.
void watch(const std::shared_ptr<SessionShared>& shared,
           const std::shared_ptr<Connection>& connection, LineQueue& lines) {
  const std::weak_ptr<Connection> weak = connection;
  lines.set_wake([weak, io = shared->io] {
    asio::post(io, [weak] {
      if (const auto open = weak.lock()) open->signal().cancel();
    });
  });
  connection->stream().socket().async_wait(Socket::wait_read, [weak](const error_code& error) {
    const auto open = weak.lock();
    if (open && error != asio::error::operation_aborted) open->shut_down();
  });
}

awaitable<void> write_stream(std::shared_ptr<SessionShared> shared,
                             std::shared_ptr<Connection> connection, Response response,
                             unsigned version) {
  const std::shared_ptr<LineQueue> lines = response.lines;
  http::response<http::string_body> message = to_message(std::move(response), version, false);
  const bool chunked = version >= 11;
  if (chunked) message.chunked(true);
  const bool written = co_await write_answer(shared, connection, message, true);
  if (!written) co_return;
  watch(shared, connection, *lines);
  co_await stream_lines(shared, connection, lines, chunked);
  lines->set_wake({});
}

/// TLS's own end, so that the client knows that nothing was cut off (RFC 8446 6.1).
awaitable<void> end_tls(std::shared_ptr<Connection> connection) {
  Stream::Tls* tls = connection->stream().tls();
  if (!tls || connection->is_shut_down()) co_return;
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  connection->set_deadline(linger_time, Connection::Direction::both);
  co_await tls->async_shutdown(token);
  connection->clear_deadline();
}

/// Reads and drops what the client still sends, within bounds.
awaitable<void> linger(std::shared_ptr<Connection> connection) {
  error_code error;
  Socket& socket = connection->stream().socket();
  socket.shutdown(Socket::shutdown_send, error);
  connection->set_deadline(linger_time, Connection::Direction::both);
  auto token = asio::redirect_error(asio::use_awaitable, error);
  std::vector<char> waste(read_bytes);
  const auto bytes = asio::buffer(waste);
  for (std::size_t dropped = 0; !error && dropped < linger_bytes;) {
    const std::size_t read = co_await socket.async_read_some(bytes, token);
    dropped += read;
  }
  connection->clear_deadline();
}

/// Waits for the first byte of a request; false when none came.
awaitable<bool> await_request(std::shared_ptr<Connection> connection, Buffer& buffer,
                              std::chrono::milliseconds timeout) {
  if (buffer.size() > 0) co_return true;
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  connection->set_deadline(timeout, Connection::Direction::reading);
  const auto space = buffer.prepare(read_bytes);
  const std::size_t read = co_await connection->stream().async_read_some(space, token);
  buffer.commit(read);
  connection->clear_deadline();
  co_return !error;
}

/// Reads one request into `parser` within the deadline.
awaitable<error_code> read_request(std::shared_ptr<SessionShared> shared,
                                   std::shared_ptr<Connection> connection, Buffer& buffer,
                                   Parser& parser) {
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  connection->set_deadline(shared->limits.request_timeout, Connection::Direction::reading);
  co_await http::async_read_header(connection->stream(), buffer, parser, token);
  if (error) co_return error;
  const bool expects =
      boost::beast::iequals(parser.get()[http::field::expect], "100-continue") && !parser.is_done();
  if (expects) {
    const auto bytes = asio::buffer(continue_text);
    co_await asio::async_write(connection->stream(), bytes, token);
    if (error) co_return error;
  }
  co_await http::async_read(connection->stream(), buffer, parser, token);
  connection->clear_deadline();
  co_return error;
}

awaitable<void> refuse(std::shared_ptr<SessionShared> shared,
                       std::shared_ptr<Connection> connection, Response response) {
  auto message = to_message(std::move(response), 11, false);
  const bool written = co_await write_answer(shared, connection, message, false);
  if (!written) co_return;
  co_await end_tls(connection);
  co_await linger(connection);
}

/// One request and its answer; false when the connection has to end.
awaitable<bool> exchange(std::shared_ptr<SessionShared> shared,
                         std::shared_ptr<Connection> connection, Buffer& buffer) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(shared->limits.header_bytes));
  parser.body_limit(shared->limits.body_bytes);
  const error_code error = co_await read_request(shared, connection, buffer, parser);
  if (error) {
    std::optional<Response> refusal =
        answer_to_error(error, connection->has_expired(), parser.got_some());
    if (refusal) co_await refuse(shared, connection, std::move(*refusal));
    co_return false;
  }
  const unsigned version = parser.get().version();
  const bool keep_alive = parser.keep_alive();
  const bool head = parser.get().method() == http::verb::head;
  Request request = to_request(parser);
  request.peer = connection->peer();
  Response response = co_await answer_on_control(shared, request, asio::use_awaitable);
  if (response.lines && !head) {
    co_await write_stream(shared, connection, std::move(response), version);
    co_return false;
  }
  http::response<http::string_body> message = to_message(std::move(response), version, keep_alive);
  const bool written = co_await write_answer(shared, connection, message, head);
  co_return written&& keep_alive;
}

/// TLS begins with a record of type handshake (22, RFC 8446 5.1), HTTP with a method in capitals.
awaitable<bool> speaks_plain_http(std::shared_ptr<Connection> connection) {
  char first = 0;
  const auto byte = asio::buffer(&first, 1);
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await connection->stream().socket().async_receive(byte, asio::socket_base::message_peek,
                                                       token);
  co_return !error && first >= 'A' && first <= 'Z';
}

/// What was wrong with the client's certificate, or with the handshake.
std::string refusal_text(Stream::Tls& tls, const error_code& error) {
  const long verified = SSL_get_verify_result(tls.native_handle());
  if (verified == X509_V_OK) return error.message();
  return std::string("its certificate: ") + X509_verify_cert_error_string(verified);
}

}  // namespace

Connection::Connection(Socket socket, TlsContext tls)
    : stream_(std::move(socket)),
      tls_(std::move(tls)),
      peer_(peer_of(stream_.socket().native_handle())),
      deadline_(stream_.get_executor()),
      signal_(stream_.get_executor()) {}

void Connection::set_deadline(std::chrono::milliseconds after, Direction direction) {
  deadline_.expires_after(after);
  deadline_.async_wait([weak = weak_from_this(), direction,
                        generation = ++generation_](const error_code& error) {
    const auto self = weak.lock();
    if (!self || error || generation != self->generation_) return;
    // Not cancel(): that would miss an operation that is just between two reads.
    self->expired_ = true;
    error_code ignored;
    self->stream_.socket().shutdown(
        direction == Direction::both ? Socket::shutdown_both : Socket::shutdown_receive, ignored);
  });
}

void Connection::clear_deadline() {
  ++generation_;
  deadline_.cancel();
}

void Connection::shut_down() {
  shut_down_ = true;
  error_code ignored;
  stream_.socket().shutdown(Socket::shutdown_both, ignored);
  signal_.cancel();
}

awaitable<bool> secure(std::shared_ptr<SessionShared> shared,
                       std::shared_ptr<Connection> connection) {
  connection->set_deadline(shared->limits.handshake_timeout, Connection::Direction::both);
  const bool plain = co_await speaks_plain_http(connection);
  if (plain) {
    const std::string reason = "it speaks plain HTTP";
    shared->refusals.refused(connection->peer().address, reason);
    Response answer = error_response(400, "client sent an HTTP request to an HTTPS server");
    co_await refuse(shared, connection, std::move(answer));
    co_return false;
  }
  connection->stream().start_tls(connection->tls());
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  Stream::Tls& tls = *connection->stream().tls();
  co_await tls.async_handshake(asio::ssl::stream_base::server, token);
  connection->clear_deadline();
  if (error) {
    const std::string reason =
        connection->has_expired() ? "it took too long" : refusal_text(tls, error);
    shared->refusals.refused(connection->peer().address, reason);
    // So that the client gets to read the alert that says why.
    if (!connection->has_expired()) co_await linger(connection);
    co_return false;
  }
  const X509* certificate = SSL_get0_peer_certificate(tls.native_handle());
  if (certificate) connection->peer().certificate = common_name(certificate);
  co_return true;
}

awaitable<void> serve(std::shared_ptr<SessionShared> shared,
                      std::shared_ptr<Connection> connection) {
  Buffer buffer(shared->limits.header_bytes + 2 * read_bytes);
  std::chrono::milliseconds patience = shared->limits.request_timeout;
  for (bool goes_on = true; goes_on;) {
    goes_on = co_await await_request(connection, buffer, patience);
    if (goes_on) goes_on = co_await exchange(shared, connection, buffer);
    patience = shared->limits.idle_timeout;
  }
  co_await end_tls(connection);
}

awaitable<void> turn_away(std::shared_ptr<SessionShared> shared,
                          std::shared_ptr<Connection> connection) {
  Response response = error_response(503, "too many connections to netd: try again later");
  co_await refuse(shared, connection, std::move(response));
}

}  // namespace netd::api
