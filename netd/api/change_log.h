// Who changed what: one line in netd's log for each request that isn't a question.
#pragma once

#include <chrono>
#include <string>

#include "netd/api/message.h"

namespace netd::api {

/// A request that may have changed something.
struct Change {
  std::string operation;  // of the route: "network_create"
  std::string object;     // what its {id} matched, "" if it has none
  std::string path;       // without version and query
  Peer peer;              // who asked
};

/// Logs how it ended, at level info or, when it is `routine`, debug:
///   msg="API request" operation=connect object=shop path=/networks/shop/connect status=200
///   pid=4711 uid=0 ms=12
/// or, of a TCP client, address=192.0.2.7:51022 certificate=alice ms=12. Bodies and queries are
/// left out. What was created is named by its id from the answer. Any thread.
void log_change(const Change& change, const Response& answer, std::chrono::milliseconds took,
                bool routine);

}  // namespace netd::api
