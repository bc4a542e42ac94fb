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

void log_change(const Change& change, const Response& answer, std::chrono::milliseconds took,
                bool routine) {
  const auto write = routine ? log::debug : log::info;
  const std::string object = object_of(change, answer);
  const std::string status = std::to_string(answer.status);
  const std::string ms = std::to_string(took.count());
  const Peer& peer = change.peer;
  if (!peer.address.empty())
    write("API request", {{"operation", change.operation},
                          {"object", object},
                          {"path", change.path},
                          {"status", status},
                          {"address", peer.address},
                          {"certificate", peer.certificate},
                          {"ms", ms}});
  else
    write("API request", {{"operation", change.operation},
                          {"object", object},
                          {"path", change.path},
                          {"status", status},
                          {"pid", std::to_string(peer.pid)},
                          {"uid", std::to_string(static_cast<int>(peer.uid))},
                          {"ms", ms}});
}

}  // namespace netd::api
