#include "netd/api/message.h"

#include <nlohmann/json.hpp>

namespace netd::api {

std::string to_text(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Response json_response(int status, const nlohmann::json& json) {
  return {.status = status, .content_type = "application/json", .body = to_text(json) + "\n"};
}

Response error_response(int status, std::string_view text) {
  return json_response(status, {{"message", text}});
}

Response empty_response(int status) {
  return {.status = status};
}

}  // namespace netd::api
