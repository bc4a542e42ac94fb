// A request and its answer as plain values: what handlers see of HTTP. No sockets here.
#pragma once

#include <sys/types.h>

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

/// Who is at the other end of a connection, as the kernel or a verified certificate says.
struct Peer {
  // Of a unix socket's client when it connected (SO_PEERCRED, unix(7)); of others pid is 0.
  pid_t pid = 0;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  // Of a TCP client: "192.0.2.7:51022", and its certificate's common name ("" without TLS).
  std::string address;
  std::string certificate;
};

struct Request {
  std::string method;  // "GET"
  std::string target;  // as sent: path and query, percent-encoded
  std::optional<std::string> content_type;
  std::string accept;
  std::string body;
  bool chunked = false;  // no Content-Length: an empty body is then an error (libnetwork.md 3.1)
  std::optional<Peer> peer;  // who asks
};

struct Response {
  int status = 200;
  std::string content_type;  // empty = no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  /// Set: after the head, lines are sent as they come until the queue closes or the client goes
  /// away.
  std::shared_ptr<LineQueue> lines;
  /// Set: the rest is not the answer yet. The server calls this once, on the control thread; it
  /// must not block there, and calls `done` with the answer once, from any thread.
  std::function<void(std::function<void(Response)> done)> later;
};

/// JSON of any text: what is not UTF-8 is replaced, so that echoing a client's bytes can't throw.
std::string to_text(const nlohmann::json& json);

Response json_response(int status, const nlohmann::json& json);
/// {"message": text}
Response error_response(int status, std::string_view text);
Response empty_response(int status);

}  // namespace netd::api
