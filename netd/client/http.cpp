#include "netd/client/http.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "netd/client/connection.h"

namespace netd::client {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t header_limit_bytes = 64 * 1024;

/// RFC 9110 7.2
std::string host_header(const Address& address) {
  if (address.is_unix()) return "netd";
  const bool is_v6 = address.name.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.name + "]:" : address.name + ":") + address.port;
}

/// Feeds bytes to the parser one at a time of what it can use; what is left over stays in
/// `pending`.
void feed(Parser& parser, std::string& pending) {
  while (!pending.empty() && !parser.is_done()) {
    boost::system::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(pending), error);
    pending.erase(0, used);
    if (error == http::error::need_more) return;
    if (error == http::error::body_limit)
      throw std::runtime_error("the answer is larger than what is listened to");
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

NoDaemon::NoDaemon(const std::string& host, std::string why)
    : std::runtime_error(fmt::format("cannot connect to {}: {}", host, why)),
      reason(std::move(why)) {}

NoTls::NoTls(const std::string& host, TlsProblem what_is_wrong, const std::string& why)
    : NoDaemon(host, "TLS: " + why), problem(what_is_wrong) {}

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

Client::Client(ClientOptions options)
    : options_(std::move(options)),
      address_(parse_address(options_.host)),
      tls_(options_.tls ? read_tls(*options_.tls) : nullptr) {}

Client::Client(std::string host, std::chrono::milliseconds deadline)
    : Client([&] {
        ClientOptions options;
        options.host = std::move(host);
        options.deadline = deadline;
        return options;
      }()) {}

Client::~Client() = default;

void Client::connect(TimePoint until) {
  connection_.reset();  // before the new one: its end makes room
  connection_ = std::make_unique<Connection>(address_, options_.host, tls_, until);
}

void Client::send_request(std::string_view method, std::string_view target,
                          const nlohmann::json* body, TimePoint until) {
  std::string text = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: netd-client/{}\r\n", method, target,
      options_.host_header.empty() ? host_header(address_) : options_.host_header, NETD_VERSION);
  for (const auto& [name, value] : options_.headers)
    text += fmt::format("{}: {}\r\n", name, value);
  if (body) {
    const std::string content =
        body->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (!options_.content_type.empty())
      text += fmt::format("Content-Type: {}\r\n", options_.content_type);
    text += fmt::format("Content-Length: {}\r\n\r\n{}", content.size(), content);
  } else {
    text += "Content-Length: 0\r\n\r\n";
  }
  connection_->send(text, until);
}

Response Client::request(std::string_view method, std::string_view target,
                         const nlohmann::json* body) {
  const auto until = Clock::now() + options_.deadline;
  if (!connection_ || !connection_->is_quiet()) connect(until);
  try {
    send_request(method, target, body, until);
    Parser parser;
    parser.header_limit(header_limit_bytes);
    parser.body_limit(options_.body_limit_bytes);
    parser.skip(method == "HEAD");
    parser.eager(true);
    std::string pending;
    char buffer[16 * 1024];
    while (!parser.is_done()) {
      const std::size_t received = connection_->receive(buffer, sizeof buffer, &until);
      boost::system::error_code ignored;
      if (received == 0 && parser.got_some()) parser.put_eof(ignored);
      if (received == 0 && !parser.is_done())
        throw std::runtime_error(options_.host +
                                 " closed the connection before its answer was complete");
      pending.append(buffer, received);
      feed(parser, pending);
    }
    Response response = head_of(parser);
    response.body = std::move(parser.get().body());
    if (!parser.keep_alive()) connection_.reset();
    return response;
  } catch (...) {
    connection_.reset();
    throw;
  }
}

Response Client::stream(std::string_view target,
                        const std::function<bool(std::string_view)>& on_line) {
  const auto until = Clock::now() + options_.deadline;
  connect(until);
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
    const std::size_t received =
        connection_->receive(buffer, sizeof buffer, streaming ? nullptr : &until);
    if (received == 0) break;
    pending.append(buffer, received);
    feed(parser, pending);
    // What string_body has collected is taken away as it is used, so that a stream may go on for
    // ever.
    if (parser.is_header_done() && parser.get().result() == http::status::ok)
      wanted = hand_lines(parser.get().body(), on_line);
  }
  connection_.reset();
  if (!parser.is_header_done())
    throw std::runtime_error(options_.host +
                             " closed the connection before its answer was complete");
  Response response = head_of(parser);
  if (!response.ok()) response.body = std::move(parser.get().body());
  return response;
}

}  // namespace netd::client
