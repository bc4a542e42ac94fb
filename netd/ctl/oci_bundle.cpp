#include "netd/ctl/oci_bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace netd::ctl {
namespace {

using nlohmann::ordered_json;

// The hook's own deadline is 20 seconds: a runtime that kills it can't tell why.
constexpr int timeout_seconds = 30;
constexpr std::array verbs{"createRuntime", "poststop"};

std::string text(const ordered_json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return "";
  return object[key].get<std::string>();
}

bool is_netd_hook(const ordered_json& hook) {
  const std::string path = text(hook, "path");
  return path.substr(path.rfind('/') + 1) == "netd-hook";
}

ordered_json hook_json(const HookEntry& entry, const char* verb) {
  ordered_json arguments{"netd-hook"};
  if (!entry.host.empty()) arguments.insert(arguments.end(), {"-H", entry.host});
  arguments.push_back(verb);
  // Without `env` runtimes hand on their own environment, whatever is in it.
  return {{"path", entry.path},
          {"args", std::move(arguments)},
          {"env", {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
          {"timeout", timeout_seconds}};
}

ordered_json mount_json(const std::string& source, const std::string& target) {
  return {{"destination", target},
          {"type", "bind"},
          {"source", source},
          {"options", {"rbind", "rprivate"}}};
}

void check_config(const ordered_json& config) {
  if (!config.is_object() || !config.contains("ociVersion"))
    throw std::invalid_argument("config.json is not an OCI bundle's: it has no ociVersion");
  for (const char* key : {"hooks", "linux"})
    if (config.contains(key) && !config[key].is_object() && !config[key].is_null())
      throw std::invalid_argument(fmt::format("config.json: {} is not an object", key));
  if (config.contains("mounts") && !config["mounts"].is_array() && !config["mounts"].is_null())
    throw std::invalid_argument("config.json: mounts is not a list");
}

void check_namespace(const ordered_json& config) {
  const ordered_json empty;
  const ordered_json& linux_part = config.contains("linux") ? config["linux"] : empty;
  const ordered_json& all = linux_part.is_object() && linux_part.contains("namespaces")
                                ? linux_part["namespaces"]
                                : empty;
  for (const ordered_json& one : all)
    if (text(one, "type") == "network") return;
  throw std::invalid_argument(
      "config.json asks for no network namespace, so the container would be in the host's: add "
      "{\"type\":\"network\"} to linux.namespaces");
}

void set_hook(ordered_json& hooks, const char* verb, ordered_json hook) {
  ordered_json& list = hooks[verb];
  if (list.is_null()) list = ordered_json::array();
  if (!list.is_array())
    throw std::invalid_argument(fmt::format("config.json: hooks.{} is not a list", verb));
  const auto known = std::ranges::find_if(list, is_netd_hook);
  if (known != list.end())
    *known = std::move(hook);
  else
    list.push_back(std::move(hook));
}

/// What is empty by our taking away goes too.
void erase_if_empty(ordered_json& object, const char* key) {
  if (object.contains(key) && object[key].empty()) object.erase(key);
}

template <typename Predicate>
bool erase_elements(ordered_json& list, Predicate is_ours) {
  ordered_json kept = ordered_json::array();
  for (ordered_json& element : list)
    if (!is_ours(element)) kept.push_back(std::move(element));
  const bool changed = kept.size() != list.size();
  list = std::move(kept);
  return changed;
}

}  // namespace

void add_hooks(ordered_json& config, const HookEntry& entry) {
  check_config(config);
  check_namespace(config);
  for (const char* verb : verbs)
    set_hook(config["hooks"], verb, hook_json(entry, verb));
  ordered_json& mounts = config["mounts"];
  if (mounts.is_null()) mounts = ordered_json::array();
  for (const char* name : bundle_files) {
    const std::string target = fmt::format("/etc/{}", name);
    const bool taken = std::ranges::any_of(
        mounts, [&](const ordered_json& mount) { return text(mount, "destination") == target; });
    if (!taken) mounts.push_back(mount_json(entry.files_directory + "/" + name, target));
  }
}

void remove_hooks(ordered_json& config, const std::string& files_directory) {
  check_config(config);
  if (config.contains("hooks") && config["hooks"].is_object()) {
    ordered_json& hooks = config["hooks"];
    for (const char* verb : {"prestart", "createRuntime", "poststop"})
      if (hooks.contains(verb) && hooks[verb].is_array() &&
          erase_elements(hooks[verb], is_netd_hook))
        erase_if_empty(hooks, verb);
    erase_if_empty(config, "hooks");
  }
  if (!config.contains("mounts") || !config["mounts"].is_array()) return;
  const bool changed = erase_elements(config["mounts"], [&](const ordered_json& mount) {
    return text(mount, "source").starts_with(files_directory + "/");
  });
  if (changed) erase_if_empty(config, "mounts");
}

std::string format_like(const ordered_json& config, const std::string& original) {
  const std::size_t line = original.find("\n");
  const std::size_t begin = line == std::string::npos ? line : line + 1;
  const std::size_t end =
      line == std::string::npos ? line : original.find_first_not_of(" \t", begin);
  std::string formatted;
  if (end == std::string::npos || end == begin)
    formatted = config.dump();
  else
    formatted =
        config.dump(original[begin] == '\t' ? 1 : static_cast<int>(end - begin), original[begin]);
  return original.ends_with('\n') ? formatted + "\n" : formatted;
}

}  // namespace netd::ctl
