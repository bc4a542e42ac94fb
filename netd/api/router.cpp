#include "netd/api/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "drivers/driver.h"
#include "netd/api/change_log.h"
#include "netd/api/url.h"
#include "netd/error.h"

namespace netd::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view id_placeholder = "{id}";

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::forbidden:
      return 403;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::internal:
      return 500;
    case ErrorKind::unavailable:
      return 503;
  }
  return 500;
}

/// "v1.41" -> {1, 41}; absent when the segment is no version.
std::optional<ApiVersion> parse_version(std::string_view segment) {
  if (!segment.starts_with('v')) return std::nullopt;
  ApiVersion version;
  const char* end = segment.data() + segment.size();
  const auto major = std::from_chars(segment.data() + 1, end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc() || minor.ptr != end) return std::nullopt;
  if (version.major < 0 || version.minor < 0) return std::nullopt;
  return version;
}

/// Takes "/v1.41" off the front of `path`.
ApiVersion take_version(std::string_view& path) {
  const std::size_t slash = path.find('/', 1);
  if (path.empty() || slash == std::string_view::npos) return newest_version;
  const auto version = parse_version(path.substr(1, slash - 1));
  if (!version) return newest_version;
  path.remove_prefix(slash);
  return *version;
}

void check_version(ApiVersion version) {
  if (version < oldest_version)
    throw Error(ErrorKind::invalid,
                fmt::format("client version {} is too old. Minimum supported API version is {}, "
                            "please upgrade your client to a newer version",
                            version.to_string(), oldest_version.to_string()));
  if (version > newest_version)
    throw Error(ErrorKind::invalid,
                fmt::format("client version {} is too new. Maximum supported API version is {}",
                            version.to_string(), newest_version.to_string()));
}

bool is_token(std::string_view text) {  // RFC 9110 5.6.2
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char character) {
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(character) != std::string_view::npos;
  });
}

/// A body needs "application/json", with or without parameters.
void check_content_type(const Request& request) {
  const std::string& type = request.content_type.value_or("");
  std::string media = type.substr(0, type.find(';'));
  media.erase(0, media.find_first_not_of(" \t"));
  media.erase(media.find_last_not_of(" \t") + 1);
  if (media.empty())
    throw Error(ErrorKind::invalid,
                fmt::format("malformed Content-Type header ({}): no media type: "
                            "use 'application/json'",
                            type));
  const std::size_t slash = media.find('/');
  const bool well_formed =
      is_token(media.substr(0, slash)) &&
      (slash == std::string::npos || is_token(std::string_view(media).substr(slash + 1)));
  if (!well_formed)
    throw Error(ErrorKind::invalid,
                fmt::format("malformed Content-Type header ({}): expected type/subtype", type));
  std::transform(media.begin(), media.end(), media.begin(), [](unsigned char character) {
    return static_cast<char>(std::tolower(character));
  });
  if (media != "application/json")
    throw Error(ErrorKind::invalid, fmt::format("unsupported Content-Type header ({}): must be "
                                                "'application/json'",
                                                type));
}

/// The first JSON value of `body`; throws when there is none or more follows.
nlohmann::json parse_body(const std::string& body) {
  if (body.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Error(ErrorKind::invalid, "invalid JSON: got EOF while reading request body");
  std::istringstream stream(body);
  nlohmann::json json;
  try {
    stream >> json;
  } catch (const nlohmann::json::exception& error) {
    std::string_view text = error.what();  // "[json.exception.parse_error.101] parse error at …"
    if (const auto bracket = text.find("] "); bracket != std::string_view::npos)
      text.remove_prefix(bracket + 2);
    throw Error(ErrorKind::invalid, fmt::format("invalid JSON: {}", text.substr(0, 256)));
  }
  stream >> std::ws;
  if (stream.good() && stream.peek() != std::istringstream::traits_type::eof())
    throw Error(ErrorKind::invalid, "unexpected content after JSON");
  return json;
}

void add_common_headers(Response& response) {
  response.headers.emplace_back("Server", "netd/" NETD_VERSION " (linux)");
  response.headers.emplace_back("Api-Version", newest_version.to_string());
  response.headers.emplace_back("Ostype", "linux");
  response.headers.emplace_back("Docker-Experimental", "false");
}

/// Shows `act` the answer, which may come later.
Response and_then(Response response, std::function<void(Response&)> act) {
  if (!response.later) {
    act(response);
    return response;
  }
  response.later = [later = std::move(response.later),
                    act = std::move(act)](std::function<void(Response)> done) {
    later([act, done = std::move(done)](Response answer) {
      act(answer);
      done(std::move(answer));
    });
  };
  return response;
}

}  // namespace

Response translate_exception() {
  try {
    throw;
  } catch (const Error& error) {
    return error_response(status_of(error.kind()), error.what());
  } catch (const std::invalid_argument& error) {
    return error_response(400, error.what());
  } catch (const nlohmann::json::exception& error) {
    return error_response(400, fmt::format("invalid JSON: {}", error.what()));
  } catch (const drivers::Refused& error) {
    return error_response(403, error.what());
  } catch (const std::exception& error) {  // std::system_error and what nobody expected
    return error_response(500, error.what());
  } catch (...) {
    return error_response(500, "unknown error");
  }
}

std::string ApiVersion::to_string() const {
  return fmt::format("{}.{}", major, minor);
}

const std::string& Call::parameter(const std::string& name) const {
  static const std::string empty;
  const auto found = query.find(name);
  return found == query.end() ? empty : found->second;
}

bool Call::flag(const std::string& name) const {
  std::string value = parameter(name);
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char character) {
    return static_cast<char>(std::tolower(character));
  });
  const std::array<std::string_view, 5> no{"", "0", "no", "false", "none"};
  return std::find(no.begin(), no.end(), value) == no.end();
}

nlohmann::json Call::body() const {
  if (request.body.empty() && !request.chunked) return nlohmann::json::object();
  check_content_type(request);
  return parse_body(request.body);
}

std::optional<std::string> match_path(std::string_view pattern, std::string_view path) {
  const std::size_t at = pattern.find(id_placeholder);
  if (at == std::string_view::npos)
    return pattern == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + id_placeholder.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after))
    return std::nullopt;
  return std::string(path.substr(before.size(), path.size() - before.size() - after.size()));
}

Router::Router(std::vector<Route> routes, Observer observer)
    : routes_(std::move(routes)), observer_(std::move(observer)) {}

const Route* Router::find(std::string_view method, std::string_view path, std::string& id) const {
  for (const Route& route : routes_) {
    if (route.method != method) continue;
    if (auto matched = match_path(route.pattern, path)) {
      id = std::move(*matched);
      return &route;
    }
  }
  return nullptr;
}

Response Router::dispatch(const Request& request) const {
  const std::string_view target = request.target;
  const std::size_t question = target.find('?');
  const auto decoded = decode_path(target.substr(0, question));
  if (!decoded) return error_response(400, "the path has a malformed percent-encoding");
  std::string_view path = *decoded;
  Call call{.request = request};
  call.version = take_version(path);
  const Route* route = find(request.method, path, call.id);
  if (!route && request.method == "HEAD") route = find("GET", path, call.id);
  if (!route) return error_response(404, "page not found");
  const auto began = Clock::now();
  Response response;
  try {
    check_version(call.version);
    if (question != std::string_view::npos) call.query = parse_query(target.substr(question + 1));
    response = answer(*route, call);
  } catch (...) {
    response = translate_exception();
  }
  if (request.method == "GET" || request.method == "HEAD") return response;
  Change change{.operation = route->operation,
                .object = call.id,
                .path = std::string(path),
                .peer = request.peer.value_or(Peer{})};
  return and_then(std::move(response), [change = std::move(change), began,
                                        quiet_below = route->quiet_below](const Response& answer) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    log_change(change, answer, took, took < quiet_below);
  });
}

Response Router::answer(const Route& route, const Call& call) const {
  if (!observer_ || route.operation.empty()) return route.handler(call);
  const auto began = Clock::now();
  Response response = route.handler(call);
  if (response.later) return response;  // how long others take is no measure of netd
  observer_(route.operation, std::chrono::duration<double>(Clock::now() - began).count());
  return response;
}

Response Router::handle(const Request& request) const {
  Response response;
  try {
    response = dispatch(request);
  } catch (...) {
    response = translate_exception();
  }
  return and_then(std::move(response), add_common_headers);
}

}  // namespace netd::api
