#include "netd/plugin/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace netd::plugin {
namespace {

using api::JsonObject;

[[noreturn]] void refuse(const JsonObject& object, std::string_view key, std::string_view what,
                         std::string_view found) {
  throw std::invalid_argument(
      fmt::format("{}: expected {}, found \"{}\"", object.path_of(key), what, found));
}

/// RFC 4648 4; nothing when it is not that.
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('='))
    text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  return bytes;
}

std::optional<ipam::Mac> parse_mac_bytes(std::string_view text) {
  const auto bytes = decode_base64(text);
  ipam::Mac mac;
  if (!bytes || bytes->size() != mac.bytes.size()) return ipam::Mac::parse(text);
  std::ranges::transform(*bytes, mac.bytes.begin(),
                         [](char byte) { return static_cast<std::uint8_t>(byte); });
  return mac;
}

std::uint16_t read_port(const JsonObject& object, std::string_view key) {
  const int port = object.number(key).value_or(0);
  if (port < 0 || port > 65535) refuse(object, key, "a port number", std::to_string(port));
  return static_cast<std::uint16_t>(port);
}

std::optional<sandbox::Protocol> protocol_of(int number) {
  for (const auto protocol :
       {sandbox::Protocol::tcp, sandbox::Protocol::udp, sandbox::Protocol::sctp})
    if (number == static_cast<int>(protocol)) return protocol;
  return std::nullopt;
}

}  // namespace

std::optional<ipam::Prefix> read_prefix(const JsonObject& object, std::string_view key) {
  const std::string text = object.text(key);
  if (text.empty()) return std::nullopt;
  const auto prefix = ipam::Prefix::parse(text);
  if (!prefix) refuse(object, key, "an address with a prefix length", text);
  return prefix;
}

std::optional<ipam::Address> read_address(const JsonObject& object, std::string_view key) {
  const std::string text = object.text(key);
  if (text.empty()) return std::nullopt;
  const auto address = ipam::Address::parse(text.substr(0, text.find('/')));
  if (!address) refuse(object, key, "an IP address", text);
  return address;
}

std::optional<ipam::Mac> read_mac(const JsonObject& interface, const JsonObject& options) {
  if (const std::string text = interface.text("MacAddress"); !text.empty()) {
    const auto mac = ipam::Mac::parse(text);
    if (!mac) refuse(interface, "MacAddress", "a MAC address", text);
    return mac;
  }
  const std::string encoded = options.text(option_mac);
  if (encoded.empty()) return std::nullopt;
  const auto mac = parse_mac_bytes(encoded);
  if (!mac) refuse(options, option_mac, "a MAC address in base64", encoded);
  return mac;
}

std::optional<std::vector<drivers::PortBinding>> read_port_map(const JsonObject& options) {
  if (!options.find(option_port_map)) return std::nullopt;
  std::vector<drivers::PortBinding> bindings;
  for (const JsonObject& entry : options.objects(option_port_map)) {
    const auto protocol = protocol_of(entry.number("Proto").value_or(0));
    if (!protocol) continue;
    drivers::PortBinding binding{.protocol = *protocol, .container_port = read_port(entry, "Port")};
    binding.host_address = read_address(entry, "HostIP");
    if (binding.host_address && binding.host_address->is_any() && binding.host_address->is_v4())
      binding.host_address.reset();
    binding.host_port_first = read_port(entry, "HostPort");
    binding.host_port_last = std::max(binding.host_port_first, read_port(entry, "HostPortEnd"));
    if (binding.container_port == 0) refuse(entry, "Port", "a port number", "0");
    bindings.push_back(binding);
  }
  return bindings;
}

drivers::Options read_driver_options(const JsonObject& options) {
  drivers::Options texts;
  for (const auto& [key, value] : options.json().items())
    if (value.is_string() && key != option_mac) texts.emplace(key, value.get<std::string>());
  return texts;
}

}  // namespace netd::plugin
