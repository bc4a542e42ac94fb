#include "runtime-hooks/netavark/conf.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "runtime-hooks/reader.h"

namespace runtime_hooks::netavark {
namespace {

using nlohmann::json;

constexpr int deepest = 64;

bool is_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

void add_mapping(const Reader& mapping, json& ports) {
  constexpr std::int64_t last_port = 65535;
  const std::int64_t container = mapping.number("container_port");
  const std::int64_t host = mapping.number("host_port");
  const std::int64_t count = std::max<std::int64_t>(mapping.number("range"), 1);
  if (count > last_port || container < 1 || container > last_port - count + 1 || host < 1 ||
      host > last_port - count + 1)
    throw std::runtime_error(
        fmt::format("invalid port mapping {}:{} of {} ports", host, container, count));
  const std::string address = mapping.text("host_ip");
  if (!address.empty() && !is_address(address))
    throw std::runtime_error(
        fmt::format("invalid host ip \"{}\" provided for port {}", address, host));
  const std::string protocols = mapping.text("protocol");
  for (const std::string& protocol : split(protocols.empty() ? "tcp" : protocols))
    for (std::int64_t i = 0; i < count; ++i)
      ports[fmt::format("{}/{}", container + i, protocol)].push_back(
          {{"HostIp", address}, {"HostPort", std::to_string(host + i)}});
}

NetworkConf read_network(const std::string& name, const Reader& options, const json& network) {
  NetworkConf conf{.name = name,
                   .interface = options.text("interface_name"),
                   .addresses = options.texts("static_ips"),
                   .mac = options.text("static_mac"),
                   .aliases = options.texts("aliases"),
                   .options = options.text_map("options"),
                   .network = network};
  if (conf.interface.empty())
    throw std::runtime_error(fmt::format("network {}: interface_name is missing", name));
  if (!network.is_object())
    throw std::runtime_error(fmt::format("network {}: nothing is said of it", name));
  return conf;
}

/// By name, in the order of their names, or since netavark 2 as a list, in its order.
void read_networks(const json& whole, ContainerConf& conf) {
  const json networks = whole.value("networks", json());
  const json infos = whole.value("network_info", json());
  const auto info = [&](const std::string& name) {
    return infos.is_object() && infos.contains(name) ? infos.at(name) : json();
  };
  if (networks.is_object()) {
    for (const auto& [name, options] : networks.items())
      conf.networks.push_back(read_network(name, {options, "networks." + name}, info(name)));
  } else {
    for (const Reader& options : Reader(whole, "").objects("networks"))
      conf.networks.push_back(
          read_network(options.text("name"), options, info(options.text("name"))));
  }
}

}  // namespace

json parse_json(std::string_view text) {
  const auto limit = [](int depth, json::parse_event_t, json&) {
    if (depth > deepest) throw std::runtime_error("the JSON is nested too deeply");
    return true;
  };
  try {
    json whole = json::parse(text, limit);
    if (whole.is_object()) return whole;
  } catch (const json::exception& error) {
    throw std::runtime_error(fmt::format("failed to load network options: {}", error.what()));
  }
  throw std::runtime_error("failed to load network options: a JSON object is expected");
}

ContainerConf read_container(const json& whole) {
  const Reader reader(whole, "");
  ContainerConf conf{.id = reader.text("container_id"),
                     .name = reader.text("container_name"),
                     .hostname = reader.text("container_hostname"),
                     .ports = json::object(),
                     .dns_servers = reader.texts("dns_servers"),
                     .is_plugin = reader.contains("network_options")};
  if (conf.id.empty()) throw std::runtime_error("container_id is missing");
  for (const Reader& mapping : reader.objects("port_mappings"))
    add_mapping(mapping, conf.ports);
  if (conf.is_plugin)
    conf.networks.push_back(read_network(reader.object("network").text("name"),
                                         reader.object("network_options"),
                                         whole.value("network", json())));
  else
    read_networks(whole, conf);
  return conf;
}

}  // namespace runtime_hooks::netavark
