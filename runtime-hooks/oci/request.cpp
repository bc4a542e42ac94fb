#include "runtime-hooks/oci/request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "netd/words/attachment.h"
#include "netd/words/ports.h"
#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks::oci {
namespace {

using nlohmann::json;

constexpr std::string_view prefix = "io.netd.";
constexpr const char* networks_key = "io.netd.networks";
constexpr const char* publish_key = "io.netd.publish";
constexpr std::array known_keys{"io.netd.networks",   "io.netd.publish",    "io.netd.dns",
                                "io.netd.dns-search", "io.netd.dns-option", "io.netd.add-host",
                                "io.netd.name",       "io.netd.netns",      "io.netd.files"};
constexpr std::array file_names{"resolv.conf", "hosts", "hostname"};

/// Its parts without surrounding spaces; empty ones are left out.
std::vector<std::string> split(std::string_view text, char separator) {
  constexpr std::string_view spaces = " \t\n";
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    part.remove_prefix(std::min(part.find_first_not_of(spaces), part.size()));
    part = part.substr(0, part.find_last_not_of(spaces) + 1);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::vector<std::string> list(const Container& container, const char* key, char separator = ',') {
  const std::string* value = container.annotation(key);
  return value ? split(*value, separator) : std::vector<std::string>{};
}

void check_keys(const Container& container) {
  for (const auto& [key, value] : container.annotations)
    if (key.starts_with(prefix) && std::ranges::find(known_keys, key) == known_keys.end())
      throw std::runtime_error(
          fmt::format("unknown annotation {}; known are {}", key, fmt::join(known_keys, ", ")));
}

json networks_of(const Container& container) {
  std::vector<std::string> texts = list(container, networks_key, ';');
  if (texts.empty()) texts.emplace_back("bridge");
  json networks = json::array();
  for (const std::string& text : texts)
    networks.push_back(netd::words::parse_attachment(text, networks_key));
  return networks;
}

json ports_of(const Container& container) {
  try {
    return netd::words::parse_ports(list(container, publish_key));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("{}: {}", publish_key, error.what()));
  }
}

/// The predefined ones take none, and `bridge` may be behind an id.
bool takes_aliases(const std::string& network) {
  constexpr std::size_t shortest_id = 12;
  const bool is_id = network.size() >= shortest_id && std::ranges::all_of(network, [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
  return !is_id && network != "bridge" && network != "host" && network != "none";
}

/// A container is found by its id too; one of 64 digits is, as the sandbox's own.
void add_id_alias(const Container& container, const std::string& name, json& networks) {
  if (is_sandbox_id(container.id) || container.id == name || !is_label(container.id)) return;
  for (json& network : networks)
    if (takes_aliases(network["Network"].get<std::string>()))
      network["Aliases"].push_back(container.id);
}

}  // namespace

bool asks_for_networks(const Container& container) {
  const std::vector<std::string> networks = list(container, networks_key, ';');
  const bool none = std::ranges::all_of(
      networks, [](const std::string& name) { return name == "host" || name == "none"; });
  return !none || !list(container, publish_key).empty();
}

std::vector<std::string> wanted_files(const Container& container) {
  if (!container.annotation("io.netd.files")) return {file_names.begin(), file_names.end()};
  std::vector<std::string> wanted = list(container, "io.netd.files");
  if (wanted == std::vector<std::string>{"none"}) return {};
  for (const std::string& name : wanted)
    if (std::ranges::find(file_names, name) == file_names.end())
      throw std::runtime_error(fmt::format(
          "io.netd.files: unknown file '{}'; known are resolv.conf, hosts, hostname, or "
          "none of them: none",
          name));
  return wanted;
}

json create_request(const Container& container, const NamespaceSource& source) {
  check_keys(container);
  const std::string* given_name = container.annotation("io.netd.name");
  const std::string name = given_name ? *given_name : sandbox_name(container.id);
  json request{{"Id", sandbox_id("oci", container.id)},
               {"Name", name},
               {"Networks", networks_of(container)},
               {"PortBindings", ports_of(container)},
               {"Labels", {{"io.netd.container", container.id}}}};
  add_id_alias(container, name, request["Networks"]);
  if (!container.hostname.empty()) request["Hostname"] = container.hostname;
  if (!container.domainname.empty()) request["Domainname"] = container.domainname;
  if (source.path.empty())
    request["Pid"] = source.pid;
  else
    request["NetnsPath"] = source.path;
  const auto set = [&](const char* field, const char* key) {
    if (auto texts = list(container, key); !texts.empty()) request[field] = std::move(texts);
  };
  set("Dns", "io.netd.dns");
  set("DnsSearch", "io.netd.dns-search");
  set("DnsOptions", "io.netd.dns-option");
  set("ExtraHosts", "io.netd.add-host");
  return request;
}

}  // namespace runtime_hooks::oci
