#include "drivers/port_mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace drivers {
namespace {

using sandbox::Element;
using sandbox::PortNumber;
using sandbox::Protocol;

struct Range {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  int size() const { return last - first + 1; }
};

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
  throw std::invalid_argument(
      fmt::format("invalid publish '{}': {}; the form is "
                  "[ip:][hostPort[-end]]:containerPort[-end][/tcp|udp|sctp]",
                  text, reason));
}

std::uint16_t parse_port(std::string_view whole, std::string_view digits) {
  unsigned number = 0;
  const char* end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data(), end, number);
  if (digits.empty() || error != std::errc() || parsed != end || number > 65535)
    refuse(whole, fmt::format("'{}' is no port (0 to 65535)", digits));
  return static_cast<std::uint16_t>(number);
}

Range parse_range(std::string_view whole, std::string_view text) {
  const std::size_t dash = text.find('-');
  const std::uint16_t first = parse_port(whole, text.substr(0, dash));
  const std::uint16_t last =
      dash == std::string_view::npos ? first : parse_port(whole, text.substr(dash + 1));
  if (last < first) refuse(whole, fmt::format("invalid port range: {}", text));
  return {first, last};
}

/// Takes "[v6]:" or "v4:" off the front of `rest`.
std::optional<ipam::Address> take_host_address(std::string_view whole, std::string_view& rest) {
  std::string_view text;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find("]:");
    if (end == std::string_view::npos) refuse(whole, "']:' is missing after the IPv6 address");
    text = rest.substr(1, end - 1);
    rest.remove_prefix(end + 2);
  } else if (std::ranges::count(rest, ':') == 2) {
    const std::size_t end = rest.find(':');
    text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (text.empty()) return std::nullopt;  // Docker takes "::80" as "no address, any port"
  } else {
    return std::nullopt;
  }
  const auto address = ipam::Address::parse(text);
  if (!address) refuse(whole, fmt::format("'{}' is no IP address", text));
  return address;
}

/// The endpoint's address that a port at `host` leads to by NAT, or nothing when the relay serves
/// it.
std::optional<ipam::Address> nat_target(const Endpoint& endpoint, const ipam::Address& host) {
  if (host.is_loopback()) return std::nullopt;
  const auto& own = host.is_v4() ? endpoint.ipv4 : endpoint.ipv6;
  return own ? std::optional(own->address) : std::nullopt;
}

}  // namespace

std::optional<Protocol> parse_protocol(std::string_view text) {
  if (text == "tcp") return Protocol::tcp;
  if (text == "udp") return Protocol::udp;
  if (text == "sctp") return Protocol::sctp;
  return std::nullopt;
}

std::vector<PortBinding> parse_publish(std::string_view text) {
  std::string_view rest = text;
  PortBinding binding;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const auto protocol = parse_protocol(rest.substr(slash + 1));
    if (!protocol) refuse(text, fmt::format("unknown protocol '{}'", rest.substr(slash + 1)));
    binding.protocol = *protocol;
    rest = rest.substr(0, slash);
  }
  binding.host_address = take_host_address(text, rest);
  Range host;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    if (colon > 0) host = parse_range(text, rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  if (rest.empty()) refuse(text, "the container port is missing");
  const Range container = parse_range(text, rest);
  if (container.first == 0) refuse(text, "container port 0 does not exist");
  if (host.first == 0 && host.last != 0)
    refuse(text, "host port 0 means any free port, so no range begins with it");
  // As many host ports as container ports: one to one. One container port: the first free of a
  // range.
  if (host.first != 0 && container.size() > 1 && host.size() != container.size())
    refuse(text, "host and container port ranges differ in length");
  std::vector<PortBinding> bindings;
  for (int offset = 0; offset < container.size(); ++offset) {
    binding.container_port = static_cast<std::uint16_t>(container.first + offset);
    const bool pairwise = host.first != 0 && container.size() > 1;
    binding.host_port_first = static_cast<std::uint16_t>(host.first + (pairwise ? offset : 0));
    binding.host_port_last = pairwise ? binding.host_port_first : host.last;
    bindings.push_back(binding);
  }
  return bindings;
}

std::vector<Element> port_elements(const Endpoint& endpoint) {
  std::vector<Element> elements;
  const auto add = [&](Element element) {
    if (std::ranges::find(elements, element) == elements.end())
      elements.push_back(std::move(element));
  };
  for (const Port& port : endpoint.ports) {
    const auto target = nat_target(endpoint, port.host_address);
    if (!target || port.host_port == 0) continue;
    const bool v4 = target->is_v4();
    Element element{.set = v4 ? "pub4" : "pub6",
                    .key = {port.protocol, PortNumber{port.host_port}},
                    .value = {*target, PortNumber{port.container_port}}};
    if (!port.host_address.is_any()) {
      element.set += "a";
      element.key.insert(element.key.begin(), port.host_address);
    }
    add(std::move(element));
    add({.set = v4 ? "hair4" : "hair6", .key = {*target, *target}, .value = {}});
  }
  return elements;
}

std::vector<Element> open_elements(const Endpoint& endpoint) {
  std::vector<Element> elements;
  for (const Port& port : endpoint.ports)
    if (const auto& own = port.host_address.is_v4() ? endpoint.ipv4 : endpoint.ipv6)
      elements.push_back({.set = own->address.is_v4() ? "open4" : "open6",
                          .key = {own->address, port.protocol, PortNumber{port.container_port}},
                          .value = {}});
  return elements;
}

}  // namespace drivers
