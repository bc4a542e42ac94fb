#include "netd/words/attachment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "netd/words/usage_error.h"

namespace netd::words {
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
    throw UsageError(fmt::format("{}: gw-priority '{}' is not a whole number", whole, value));
  }
  return priority;
}

void set_attachment(EndpointWords& words, const std::string& setting, std::string_view whole) {
  const auto [key, value] = split_pair(setting);
  if (std::find(attachment_keys.begin(), attachment_keys.end(), key) == attachment_keys.end()) {
    throw UsageError(fmt::format("{}: unknown key '{}'; known are {}", whole, key,
                                 fmt::join(attachment_keys, ", ")));
  }
  if (value.empty()) throw UsageError(fmt::format("{}: {} needs a value", whole, key));
  if (key == "ip") words.ipv4 = value;
  if (key == "ip6") words.ipv6 = value;
  if (key == "alias") words.aliases.push_back(value);
  if (key == "mac") words.mac = value;
  if (key == "ifname") words.options.push_back("com.docker.network.endpoint.ifname=" + value);
  if (key == "gw-priority") words.gateway_priority = parse_priority(value, whole);
  if (key == "opt") words.options.push_back(value);
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

json parse_attachment(std::string_view text, std::string_view flag) {
  const std::string whole = fmt::format("{} {}", flag, text);
  const std::size_t end = end_of_name(text);
  const std::string_view name = text.substr(0, end);
  if (name.empty()) {
    throw UsageError(fmt::format("{}: expects NETWORK[:key=value,…]", whole));
  }
  EndpointWords words;
  for (const std::string& setting : split_settings(text.substr(std::min(end + 1, text.size())))) {
    set_attachment(words, setting, whole);
  }
  json attachment = endpoint_settings(words);
  attachment["Network"] = std::string(name);
  return attachment;
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

}  // namespace netd::words
