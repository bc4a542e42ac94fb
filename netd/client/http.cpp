#include "netd/client/http.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>

namespace netd::client {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t header_limit_bytes = 64 * 1024;
constexpr std::uint64_t body_limit_bytes = 256ull * 1024 * 1024;

std::string errno_text(int error) {
  return std::system_category().message(error);
}

std::string path_of(const std::string& host) {
  std::string path = host;
  if (path.starts_with("unix://")) path.erase(0, 7);
  if (!path.starts_with('/'))
    throw std::invalid_argument(
        fmt::format("daemon address \"{}\": use unix:///path/to/netd.sock", host));
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    throw std::invalid_argument(
        fmt::format("daemon address \"{}\": a socket's path has at most {} bytes", host,
                    sizeof(sockaddr_un::sun_path) - 1));
  return path;
}

/// Feeds bytes to the parser one at a time of what it can use; what is left over stays in
/// `pending`.
void feed(Parser& parser, std::string& pending) {
  while (!pending.empty() && !parser.is_done()) {
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(pending), error);
    pending.erase(0, used);
    if (error == http::error::need_more) return;
    if (error) throw std::runtime_error("the daemon's answer is not HTTP: " + error.message());
  }
}

Response head_of(const Parser& parser) {
  const auto& message = parser.get();
  Response response;
  response.status = static_cast<int>(message.result_int());
  const auto type = message[http::field::content_type];
  response.content_type.assign(type.data(), type.size());
  return response;
}

/// Hands whole lines at the front of `body` to `on_line` and takes them away; false = it had
/// enough.
bool hand_lines(std::string& body, const std::function<bool(std::string_view)>& on_line) {
  std::size_t begin = 0;
  bool more = true;
  while (more) {
    const std::size_t end = body.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string_view line(body.data() + begin, end - begin);
    begin = end + 1;
    if (!line.empty()) more = on_line(line);
  }
  body.erase(0, begin);
  return more;
}

}  // namespace

nlohmann::json Response::json() const {
  if (body.empty()) return nullptr;
  try {
    return nlohmann::json::parse(body);
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(fmt::format("the daemon's answer is not JSON: {}", error.what()));
  }
}

std::string Response::message() const {
  const auto parsed = nlohmann::json::parse(body, nullptr, false);
  if (parsed.is_object() && parsed.contains("message") && parsed["message"].is_string())
    return parsed["message"].get<std::string>();
  return body.empty() ? fmt::format("the daemon answered with status {}", status) : body;
}

std::string encode(std::string_view text) {
  std::string encoded;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool unreserved = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
                            byte == '_' || byte == '~';
    if (unreserved)
      encoded += character;
    else
      encoded += fmt::format("%{:02X}", byte);
  }
  return encoded;
}

Client::Client(std::string host, std::chrono::milliseconds deadline)
    : host_(std::move(host)), path_(path_of(host_)), deadline_(deadline) {}

Client::~Client() {
  disconnect();
}

void Client::disconnect() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

/// A kept connection that is readable has been closed by the daemon (nothing was asked on it).
bool Client::is_reusable() const {
  if (socket_ < 0) return false;
  pollfd waiting{socket_, POLLIN, 0};
  return poll(&waiting, 1, 0) == 0;
}

void Client::connect() {
  disconnect();
  socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) throw std::system_error(errno, std::system_category(), "open a socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path_.begin(), path_.end(), address.sun_path);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  const int error = errno;
  disconnect();
  throw NoDaemon(
      fmt::format("cannot connect to netd at {}: {}. Is the daemon running? "
                  "-H or NETD_HOST picks another address",
                  host_, errno_text(error)));
}

void Client::send_request(std::string_view method, std::string_view target,
                          const nlohmann::json* body, Clock::time_point until) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: netd\r\nUser-Agent: netd-client/{}\r\n",
                                 method, target, NETD_VERSION);
  if (body) {
    const std::string content =
        body->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                        content.size(), content);
  } else {
    text += "Content-Length: 0\r\n\r\n";
  }
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t sent = send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    // A daemon that answers before it has read the body (413) stops reading: its answer counts.
    if (errno == EPIPE || errno == ECONNRESET) return;
    if (errno != EAGAIN && errno != EINTR)
      throw std::system_error(errno, std::system_category(), "send the request to " + host_);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0)
      throw std::runtime_error(fmt::format("{} took no request within its deadline", host_));
    pollfd waiting{socket_, POLLOUT, 0};
    poll(&waiting, 1, static_cast<int>(left.count()));
  }
}

/// Returns 0 at the end of the connection. Without `until` it waits for as long as it takes.
std::size_t Client::receive(char* buffer, std::size_t size, const Clock::time_point* until) {
  for (;;) {
    const ssize_t received = recv(socket_, buffer, size, MSG_DONTWAIT);
    if (received >= 0) return static_cast<std::size_t>(received);
    if (errno == ECONNRESET) return 0;
    if (errno != EAGAIN && errno != EINTR)
      throw std::system_error(errno, std::system_category(), "read the answer of " + host_);
    int wait_ms = -1;
    if (until) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now());
      if (left.count() <= 0)
        throw std::runtime_error(
            fmt::format("{} did not answer within {} s", host_, deadline_.count() / 1000.0));
      wait_ms = static_cast<int>(left.count());
    }
    pollfd waiting{socket_, POLLIN, 0};
    poll(&waiting, 1, wait_ms);
  }
}

Response Client::request(std::string_view method, std::string_view target,
                         const nlohmann::json* body) {
  const auto until = Clock::now() + deadline_;
  if (!is_reusable()) connect();
  try {
    send_request(method, target, body, until);
    Parser parser;
    parser.header_limit(header_limit_bytes);
    parser.body_limit(body_limit_bytes);
    parser.skip(method == "HEAD");
    parser.eager(true);
    std::string pending;
    char buffer[16 * 1024];
    while (!parser.is_done()) {
      const std::size_t received = receive(buffer, sizeof buffer, &until);
      boost::system::error_code ignored;
      if (received == 0 && parser.got_some()) parser.put_eof(ignored);
      if (received == 0 && !parser.is_done())
        throw std::runtime_error(host_ + " closed the connection before its answer was complete");
      pending.append(buffer, received);
      feed(parser, pending);
    }
    Response response = head_of(parser);
    response.body = std::move(parser.get().body());
    if (!parser.keep_alive()) disconnect();
    return response;
  } catch (...) {
    disconnect();
    throw;
  }
}

Response Client::stream(std::string_view target,
                        const std::function<bool(std::string_view)>& on_line) {
  const auto until = Clock::now() + deadline_;
  connect();
  send_request("GET", target, nullptr, until);
  Parser parser;
  parser.header_limit(header_limit_bytes);
  parser.body_limit(boost::none);
  parser.eager(true);
  std::string pending;
  char buffer[16 * 1024];
  bool wanted = true;
  while (wanted && !parser.is_done()) {
    const bool streaming = parser.is_header_done() && parser.get().result() == http::status::ok;
    const std::size_t received = receive(buffer, sizeof buffer, streaming ? nullptr : &until);
    if (received == 0) break;
    pending.append(buffer, received);
    feed(parser, pending);
    // What string_body has collected is taken away as it is used, so that a stream may go on for
    // ever.
    if (parser.is_header_done() && parser.get().result() == http::status::ok)
      wanted = hand_lines(parser.get().body(), on_line);
  }
  disconnect();
  if (!parser.is_header_done())
    throw std::runtime_error(host_ + " closed the connection before its answer was complete");
  Response response = head_of(parser);
  if (!response.ok()) response.body = std::move(parser.get().body());
  return response;
}

}  // namespace netd::client
