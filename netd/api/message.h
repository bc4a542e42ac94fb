// A request and its answer as plain values: what handlers see of HTTP. No sockets here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netd/api/line_queue.h"

namespace netd::api {

/// Who is at the other end of a unix socket: SO_PEERCRED, unix(7).
struct Peer {
  int pid = 0;  // 0: in another PID namespace
  unsigned uid = 0;
  unsigned gid = 0;
};

struct Request {
  std::string method;  // "GET"
  std::string target;  // as sent: path and query, percent-encoded
  std::optional<std::string> content_type;
  std::string accept;
  std::string body;
  std::optional<Peer> peer;
  bool chunked = false;  // no Content-Length: an empty body is then an error (libnetwork.md 3.1)
};

struct Response {
  int status = 200;
  std::string content_type;  // empty = no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  /// Set: after the head, lines are sent as they come until the queue closes or the client goes
  /// away.
  std::shared_ptr<LineQueue> lines;
};

/// JSON of any text: what is not UTF-8 is replaced, so that echoing a client's bytes can't throw.
std::string to_text(const nlohmann::json& json);

Response json_response(int status, const nlohmann::json& json);
/// {"message": text}
Response error_response(int status, std::string_view text);
Response empty_response(int status);

}  // namespace netd::api
