#include "netd/ctl/arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "drivers/port_mapping.h"
#include "ipam/address.h"
#include "netd/client/http.h"
#include "netd/ctl/context.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 7> attachment_keys{"ip",     "ip6",         "alias", "mac",
                                                          "ifname", "gw-priority", "opt"};

std::pair<std::string, std::string> split_pair(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

/// Where the network's name ends: at the first ':' with "word=" behind it.
std::size_t end_of_name(std::string_view text) {
  constexpr std::string_view word = "abcdefghijklmnopqrstuvwxyz0123456789-";
  for (std::size_t colon = text.find(':'); colon != std::string_view::npos;
       colon = text.find(':', colon + 1)) {
    const std::size_t end = text.find_first_not_of(word, colon + 1);
    if (end != std::string_view::npos && end > colon + 1 && text[end] == '=') return colon;
  }
  return text.size();
}

std::vector<std::string> split_settings(std::string_view text) {
  std::vector<std::string> settings;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    const std::string_view key = item.substr(0, item.find('='));
    const bool continues = !settings.empty() && settings.back().starts_with("opt=") &&
                           key.find('.') != std::string_view::npos;
    if (continues) {
      settings.back().append(",").append(item);
    } else {
      settings.emplace_back(item);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return settings;
}

int parse_priority(const std::string& value, std::string_view whole) {
  int priority = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, priority);
  if (value.empty() || error != std::errc{} || stop != end) {
    throw UsageError(
        fmt::format("--network {}: gw-priority '{}' is not a whole number", whole, value));
  }
  return priority;
}

void set_attachment(EndpointWords& words, const std::string& setting, std::string_view whole) {
  const auto [key, value] = split_pair(setting);
  if (std::find(attachment_keys.begin(), attachment_keys.end(), key) == attachment_keys.end()) {
    throw UsageError(fmt::format("--network {}: unknown key '{}'; known are {}", whole, key,
                                 fmt::join(attachment_keys, ", ")));
  }
  if (value.empty()) throw UsageError(fmt::format("--network {}: {} needs a value", whole, key));
  if (key == "ip") words.ipv4 = value;
  if (key == "ip6") words.ipv6 = value;
  if (key == "alias") words.aliases.push_back(value);
  if (key == "mac") words.mac = value;
  if (key == "ifname") words.options.push_back("com.docker.network.endpoint.ifname=" + value);
  if (key == "gw-priority") words.gateway_priority = parse_priority(value, whole);
  if (key == "opt") words.options.push_back(value);
}

ipam::Prefix parse_prefix(std::string_view flag, const std::string& text) {
  if (const auto prefix = ipam::Prefix::parse(text)) return *prefix;
  throw UsageError(fmt::format("{} {}: not a prefix like 10.5.0.0/24 or fd00:5::/64", flag, text));
}

ipam::Address parse_address(std::string_view flag, const std::string& text) {
  if (const auto address = ipam::Address::parse(text)) return *address;
  throw UsageError(fmt::format("{} {}: not an IP address", flag, text));
}

struct PairedPool {
  ipam::Prefix subnet;
  json config;
};

/// The subnet that holds `wanted`; a gateway or range elsewhere is a mistake worth a stop.
template <typename Wanted>
PairedPool& pool_of(std::vector<PairedPool>& pools, std::string_view flag, const Wanted& wanted) {
  for (PairedPool& pool : pools) {
    if (pool.subnet.contains(wanted)) return pool;
  }
  throw UsageError(fmt::format("{} {}: no --subnet holds it{}", flag, wanted.to_string(),
                               pools.empty() ? "; give one with --subnet" : ""));
}

void set_once(PairedPool& pool, const char* key, std::string_view flag, const std::string& value) {
  if (pool.config.contains(key)) {
    throw UsageError(fmt::format("{} given twice for subnet {}: {} and {}", flag,
                                 pool.subnet.to_string(), pool.config[key].get<std::string>(),
                                 value));
  }
  pool.config[key] = value;
}

std::vector<PairedPool> parse_subnets(const std::vector<std::string>& texts) {
  std::vector<PairedPool> pools;
  for (const std::string& text : texts) {
    const ipam::Prefix subnet = parse_prefix("--subnet", text);
    for (const PairedPool& other : pools) {
      if (!other.subnet.overlaps(subnet)) continue;
      throw UsageError(
          fmt::format("--subnet {} overlaps --subnet {}", text, other.subnet.to_string()));
    }
    pools.push_back({subnet, {{"Subnet", text}}});
  }
  return pools;
}

std::string host_port(const drivers::PortBinding& binding) {
  if (binding.host_port_first == 0) return "";
  if (binding.host_port_last <= binding.host_port_first) {
    return std::to_string(binding.host_port_first);
  }
  return fmt::format("{}-{}", binding.host_port_first, binding.host_port_last);
}

}  // namespace

json parse_key_values(std::string_view flag, const std::vector<std::string>& words) {
  json result = json::object();
  for (const std::string& word : words) {
    const auto [key, value] = split_pair(word);
    if (key.empty()) throw UsageError(fmt::format("{} {}: expects KEY=VALUE", flag, word));
    result[key] = value;
  }
  return result;
}

json parse_filters(const std::vector<std::string>& words) {
  json result = json::object();
  for (const std::string& word : words) {
    const auto [key, value] = split_pair(word);
    if (key.empty() || word.find('=') == std::string::npos) {
      throw UsageError(fmt::format("--filter {}: expects KEY=VALUE, such as driver=bridge", word));
    }
    result[key][value] = true;
  }
  return result;
}

std::string filters_query(const std::vector<std::string>& words) {
  if (words.empty()) return "";
  return "?filters=" + client::encode(parse_filters(words).dump());
}

json parse_attachment(std::string_view text) {
  const std::size_t end = end_of_name(text);
  const std::string_view name = text.substr(0, end);
  if (name.empty()) {
    throw UsageError(fmt::format("--network {}: expects NETWORK[:key=value,…]", text));
  }
  EndpointWords words;
  for (const std::string& setting : split_settings(text.substr(std::min(end + 1, text.size())))) {
    set_attachment(words, setting, text);
  }
  json attachment = endpoint_settings(words);
  attachment["Network"] = std::string(name);
  return attachment;
}

json parse_ports(const std::vector<std::string>& specifications) {
  json ports = json::object();
  for (const std::string& specification : specifications) {
    std::vector<drivers::PortBinding> bindings;
    try {
      bindings = drivers::parse_publish(specification);
    } catch (const std::invalid_argument& error) {
      throw UsageError(error.what());
    }
    for (const drivers::PortBinding& binding : bindings) {
      const std::string port =
          fmt::format("{}/{}", binding.container_port, drivers::to_string(binding.protocol));
      ports[port].push_back(
          {{"HostIp", binding.host_address ? binding.host_address->to_string() : ""},
           {"HostPort", host_port(binding)}});
    }
  }
  return ports;
}

json pair_pools(const PoolWords& words) {
  std::vector<PairedPool> pools = parse_subnets(words.subnets);
  for (const std::string& text : words.ranges) {
    PairedPool& pool = pool_of(pools, "--ip-range", parse_prefix("--ip-range", text));
    set_once(pool, "IPRange", "--ip-range", text);
  }
  for (const std::string& text : words.gateways) {
    PairedPool& pool = pool_of(pools, "--gateway", parse_address("--gateway", text));
    set_once(pool, "Gateway", "--gateway", text);
  }
  for (const std::string& text : words.auxiliary) {
    const auto [name, value] = split_pair(text);
    if (name.empty() || value.empty()) {
      throw UsageError(fmt::format("--aux-address {}: expects NAME=IP", text));
    }
    PairedPool& pool = pool_of(pools, "--aux-address", parse_address("--aux-address", value));
    pool.config["AuxiliaryAddresses"][name] = value;
  }
  json config = json::array();
  for (const PairedPool& pool : pools)
    config.push_back(pool.config);
  return config;
}

json endpoint_settings(const EndpointWords& words) {
  json settings = json::object();
  if (!words.ipv4.empty()) settings["IPAMConfig"]["IPv4Address"] = words.ipv4;
  if (!words.ipv6.empty()) settings["IPAMConfig"]["IPv6Address"] = words.ipv6;
  if (!words.link_local.empty()) settings["IPAMConfig"]["LinkLocalIPs"] = words.link_local;
  if (!words.aliases.empty()) settings["Aliases"] = words.aliases;
  if (!words.links.empty()) settings["Links"] = words.links;
  if (!words.options.empty()) {
    settings["DriverOpts"] = parse_key_values("--driver-opt", words.options);
  }
  if (!words.mac.empty()) settings["MacAddress"] = words.mac;
  if (words.gateway_priority != 0) settings["GwPriority"] = words.gateway_priority;
  return settings;
}

}  // namespace netd::ctl
