// What podman hands to netavark, and netavark to a plugin, on stdin (netavark's
// src/network/types.rs, docs/plugin-api).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace runtime_hooks::netavark {

/// One network of the container.
struct NetworkConf {
  std::string name;
  std::string interface;
  std::vector<std::string> addresses;
  std::string mac;
  std::vector<std::string> aliases;
  nlohmann::json options;  // of this attachment, texts
  nlohmann::json network;  // what podman keeps of the network
};

struct ContainerConf {
  std::string id;
  std::string name;
  std::string hostname;
  nlohmann::json ports;  // PortBindings
  std::vector<std::string> dns_servers;
  std::vector<NetworkConf> networks;  // in the order of joining
  bool is_plugin = false;             // netavark speaks, not podman: the answer is one network's
};

/// Throws std::runtime_error that says what is wrong.
nlohmann::json parse_json(std::string_view text);
ContainerConf read_container(const nlohmann::json& whole);

}  // namespace runtime_hooks::netavark
