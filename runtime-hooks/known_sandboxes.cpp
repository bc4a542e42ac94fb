#include "runtime-hooks/known_sandboxes.h"

#include <nlohmann/json.hpp>

#include "runtime-hooks/daemon.h"
#include "runtime-hooks/netns_view.h"

namespace runtime_hooks {

using nlohmann::json;

bool has_own_namespace(const json& sandbox) {
  return sandbox.at("SharedWith").get<std::string>().empty();
}

bool is_in(const json& sandbox, const std::string& netns) {
  return is_same_namespace(sandbox.at("NetnsPath").get<std::string>(), netns);
}

json owner_of(Daemon& daemon, const std::string& netns) {
  for (const json& sandbox : daemon.get("/sandboxes"))
    if (has_own_namespace(sandbox) && is_in(sandbox, netns)) return sandbox;
  return nullptr;
}

}  // namespace runtime_hooks
