#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "netd/api/engine_json.h"
#include "netd/api/filters.h"
#include "netd/api/handlers.h"
#include "netd/api/times.h"
#include "netd/error.h"

namespace netd::api {
namespace {

/// `limit`: the newest so many; absent or not positive = all.
std::size_t limit_of(const Call& call) {
  const std::string& text = call.parameter("limit");
  if (text.empty()) return SIZE_MAX;
  int limit = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size())
    throw Error(ErrorKind::invalid, "invalid value for limit: " + text + ": expected a number");
  return limit > 0 ? static_cast<std::size_t>(limit) : SIZE_MAX;
}

}  // namespace

Response list_containers(const Call& call, Context& context) {
  const Filters filters = Filters::parse(call.parameter("filters"));
  check_sandbox_filters(filters);
  const std::size_t limit = limit_of(call);
  std::vector<SandboxPicture> pictures;
  for (const SandboxView& view : context.controller.sandboxes()) {
    SandboxPicture picture = picture_of(view, context.controller);
    if (accepts(filters, picture)) pictures.push_back(std::move(picture));
  }
  std::stable_sort(pictures.begin(), pictures.end(), [](const auto& one, const auto& other) {
    return one.sandbox->created_nano > other.sandbox->created_nano;
  });
  if (pictures.size() > limit) pictures.resize(limit);
  nlohmann::json list = nlohmann::json::array();
  for (const SandboxPicture& picture : pictures)
    list.push_back(container_summary_json(picture, now_nano()));
  return json_response(200, list);
}

Response inspect_container(const Call& call, Context& context) {
  const std::string reference = call.id.starts_with('/') ? call.id.substr(1) : call.id;
  const SandboxView view = context.controller.sandbox(reference);
  return json_response(200, container_json(picture_of(view, context.controller)));
}

}  // namespace netd::api
