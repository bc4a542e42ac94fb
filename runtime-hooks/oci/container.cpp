#include "runtime-hooks/oci/container.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace runtime_hooks::oci {
namespace {

using nlohmann::json;

const json nothing;

const json& member(const json& object, const char* key) {
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string text(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

json parse(std::string_view text_of, const std::string& what) {
  json parsed = json::parse(text_of, nullptr, false);
  if (!parsed.is_object()) throw std::runtime_error(what + " is no JSON object");
  return parsed;
}

void take_annotations(const json& from, Container& container) {
  const json& annotations = member(from, "annotations");
  if (!annotations.is_object()) return;
  for (const auto& [key, value] : annotations.items())
    if (value.is_string()) container.annotations[key] = value.get<std::string>();
}

void take_config(const json& config, Container& container) {
  container.hostname = text(config, "hostname");
  container.domainname = text(config, "domainname");
  const json& root = member(config, "root");
  container.rootfs = text(root, "path");
  container.is_read_only = member(root, "readonly") == true;
  if (!container.rootfs.empty() && container.rootfs[0] != '/')
    container.rootfs = container.bundle + "/" + container.rootfs;
  for (const json& mount : member(config, "mounts"))
    container.mounts[text(mount, "destination")] = text(mount, "source");
  for (const json& name_space : member(member(config, "linux"), "namespaces"))
    if (text(name_space, "type") == "network") container.netns_path = text(name_space, "path");
}

}  // namespace

const std::string* Container::annotation(const std::string& key) const {
  const auto found = annotations.find(key);
  return found == annotations.end() ? nullptr : &found->second;
}

Container read_container(std::string_view state_text, const ReadFile& read_file) {
  const json state = parse(state_text, "the container's state on stdin");
  Container container;
  container.id = text(state, "id");
  if (container.id.empty()) throw std::runtime_error("the container's state on stdin has no id");
  container.bundle = text(state, "bundle");
  if (const json& pid = member(state, "pid"); pid.is_number_integer())
    container.pid = pid.get<int>();
  if (!container.bundle.empty()) {
    const std::string path = container.bundle + "/config.json";
    if (const auto file = read_file(path)) {
      const json config = parse(*file, path);
      take_annotations(config, container);
      take_config(config, container);
    }
  }
  take_annotations(state, container);
  return container;
}

}  // namespace runtime_hooks::oci
