// From a request to the handler that answers it: versions, paths, content types, and the one place
// where exceptions become status codes (libnetwork.md 3.1). No sockets.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "netd/api/message.h"

namespace netd::api {

/// "1.41" as {1, 41}.
struct ApiVersion {
  int major = 0;
  int minor = 0;
  friend auto operator<=>(const ApiVersion&, const ApiVersion&) = default;
  std::string to_string() const;
};

inline constexpr ApiVersion oldest_version{1, 24};
inline constexpr ApiVersion newest_version{1, 54};

/// One request as its handler sees it.
struct Call {
  const Request& request;
  std::string id;                            // what {id} matched, decoded; may hold slashes
  std::map<std::string, std::string> query;  // decoded; the first of equal keys
  ApiVersion version = newest_version;

  /// The query value, or "".
  const std::string& parameter(const std::string& name) const;
  /// "", "0", "false", "no", "none" are false, "1", "true" and so on true (as Docker reads them).
  bool flag(const std::string& name) const;
  /// The body as a JSON object; {} when there is none. Throws Error(invalid) with the texts of 3.1.
  nlohmann::json body() const;
};

struct Route {
  std::string method;
  std::string pattern;    // "/networks/{id}/connect"; one {id} at most
  std::string operation;  // names the time it took in netd_operation_seconds; empty = not measured
  std::function<Response(const Call&)> handler;
  /// A change that took less than this is logged at level debug, not info: for what comes often.
  std::chrono::milliseconds quiet_below{0};
};

class Router {
 public:
  /// Told after each measured request: its operation and how long it took.
  using Observer = std::function<void(const std::string& operation, double seconds)>;

  /// The first route that fits wins: literal paths stand before those with {id}.
  explicit Router(std::vector<Route> routes, Observer observer = {});

  /// Never throws: what a handler throws is translated to {"message": …}. What isn't GET or HEAD
  /// and has a route is logged with who asked (change_log.h), once its answer is known.
  Response handle(const Request& request) const;

 private:
  Response dispatch(const Request& request) const;
  Response answer(const Route& route, const Call& call) const;
  const Route* find(std::string_view method, std::string_view path, std::string& id) const;

  std::vector<Route> routes_;
  Observer observer_;
};

/// The answer to the exception that is being handled: call it in a catch block.
Response translate_exception();

/// What {id} matches when `path` fits `pattern`, "" for a pattern without it; absent = does not
/// fit.
std::optional<std::string> match_path(std::string_view pattern, std::string_view path);

}  // namespace netd::api
