#include "netd/api/change_log.h"

#include <nlohmann/json.hpp>

#include "netd/log.h"

namespace netd::api {
namespace {

std::string object_of(const Change& change, const Response& response) {
  if (!change.object.empty() || response.status != 201) return change.object;
  const auto answer = nlohmann::json::parse(response.body, nullptr, false);
  if (!answer.is_object() || !answer.contains("Id") || !answer["Id"].is_string()) return "";
  return log::short_id(answer["Id"].get<std::string>());
}

}  // namespace

void log_change(const Change& change, const Request& request, const Response& response) {
  const std::string object = object_of(change, response);
  const std::string path(change.path);
  const std::string status = std::to_string(response.status);
  const Peer peer = request.peer.value_or(Peer{});
  if (!peer.address.empty())
    log::info("API request", {{"operation", change.operation},
                              {"object", object},
                              {"path", path},
                              {"status", status},
                              {"address", peer.address},
                              {"certificate", peer.certificate}});
  else
    log::info("API request", {{"operation", change.operation},
                              {"object", object},
                              {"path", path},
                              {"status", status},
                              {"pid", std::to_string(peer.pid)},
                              {"uid", std::to_string(static_cast<int>(peer.uid))}});
}

}  // namespace netd::api
