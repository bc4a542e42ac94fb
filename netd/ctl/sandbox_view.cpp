#include "netd/ctl/sandbox_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> filter_keys{"id", "label", "name", "network"};

/// The object under `key`; an empty one when it is absent or null.
json object_of(const json& parent, const char* key) {
  const auto found = parent.find(key);
  return found != parent.end() && found->is_object() ? *found : json::object();
}

/// "80/tcp" as a number, so that 9/tcp comes before 80/tcp.
int port_number(const std::string& port) {
  int number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  return number;
}

std::string host_of(const json& binding) {
  const std::string address = binding.value("HostIp", "");
  const std::string port = binding.value("HostPort", "");
  if (address.find(':') != std::string::npos) return fmt::format("[{}]:{}", address, port);
  return fmt::format("{}:{}", address.empty() ? "0.0.0.0" : address, port);
}

bool has_label(const json& sandbox, const std::string& wanted) {
  const std::size_t equals = wanted.find('=');
  const json labels = object_of(sandbox, "Labels");
  const auto label = labels.find(wanted.substr(0, equals));
  if (label == labels.end()) return false;
  return equals == std::string::npos || *label == wanted.substr(equals + 1);
}

bool is_on_network(const json& sandbox, const std::string& wanted) {
  const json networks = object_of(sandbox, "Networks");
  return std::any_of(networks.items().begin(), networks.items().end(), [&](const auto& item) {
    return item.key() == wanted || item.value().value("NetworkID", "").starts_with(wanted);
  });
}

bool matches(const json& sandbox, const std::string& key, const std::string& value) {
  if (key == "id") return sandbox.value("Id", "").starts_with(value);
  if (key == "name") return sandbox.value("Name", "").find(value) != std::string::npos;
  if (key == "network") return is_on_network(sandbox, value);
  return has_label(sandbox, value);
}

std::string address_of(const json& endpoint) {
  const std::string ipv4 = endpoint.value("IPAddress", "");
  return ipv4.empty() ? endpoint.value("GlobalIPv6Address", "") : ipv4;
}

}  // namespace

std::vector<PublishedPort> published_ports(const json& sandbox) {
  std::vector<PublishedPort> ports;
  const json published = object_of(sandbox, "Ports");  // named: items() keeps a reference
  for (const auto& [container, bindings] : published.items()) {
    if (!bindings.is_array()) continue;  // exposed, not published
    for (const json& binding : bindings)
      ports.push_back({container, host_of(binding)});
  }
  std::stable_sort(ports.begin(), ports.end(), [](const auto& a, const auto& b) {
    return port_number(a.container) < port_number(b.container);
  });
  return ports;
}

std::string describe_networks(const json& sandbox) {
  std::string text;
  const json networks = object_of(sandbox, "Networks");
  for (const auto& [name, endpoint] : networks.items()) {
    if (!text.empty()) text += ", ";
    const std::string address = address_of(endpoint);
    text += address.empty() ? name : fmt::format("{} {}", name, address);
  }
  return text;
}

std::string describe_ports(const json& sandbox) {
  std::string text;
  for (const PublishedPort& port : published_ports(sandbox)) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{}->{}", port.host, port.container);
  }
  return text;
}

void check_sandbox_filters(const json& filters) {
  for (const auto& [key, values] : filters.items()) {
    if (std::find(filter_keys.begin(), filter_keys.end(), key) != filter_keys.end()) continue;
    throw UsageError(
        fmt::format("--filter {}: sandboxes are filtered by id, label, name or network", key));
  }
}

bool matches_filters(const json& sandbox, const json& filters) {
  for (const auto& [key, values] : filters.items()) {
    bool any = false;
    bool all = true;
    for (const auto& [value, ignored] : values.items()) {
      const bool hit = matches(sandbox, key, value);
      any = any || hit;
      all = all && hit;
    }
    if (!(key == "label" ? all : any)) return false;
  }
  return true;
}

}  // namespace netd::ctl
