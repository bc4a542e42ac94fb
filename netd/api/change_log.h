// Who changed what: one line in netd's log for each request that isn't a question.
#pragma once

#include <string>
#include <string_view>

#include "netd/api/message.h"

namespace netd::api {

/// A request that may have changed something, and how it ended.
struct Change {
  std::string operation;  // of the route: "network_create"
  std::string object;     // what its {id} matched, "" if it has none
  std::string_view path;  // without version and query
};

/// Logs, at level info:
///   msg="API request" operation=connect object=shop path=/networks/shop/connect status=200
///   pid=4711 uid=0
/// or, of a TCP client, address=192.0.2.7:51022 certificate=alice. Bodies and queries are left out.
/// What was created is named by its id from the answer.
void log_change(const Change& change, const Request& request, const Response& response);

}  // namespace netd::api
