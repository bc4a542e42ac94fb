#include "netd/ctl/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "netd/ctl/table.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

constexpr std::string_view column_gap = "  ";

/// The list under `key`; an empty one when it is absent or null.
json list_of(const json& parent, const char* key) {
  const auto found = parent.find(key);
  return found != parent.end() && found->is_array() ? *found : json::array();
}

std::string text_of(const json& parent, const char* key) {
  const auto found = parent.find(key);
  return found != parent.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

bool is_set(const json& parent, const char* key, bool otherwise) {
  const auto found = parent.find(key);
  return found != parent.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

std::string without_length(const std::string& prefix) {
  return prefix.substr(0, prefix.find('/'));
}

/// "10.5.0.1/24": the gateway with the subnet's length; the subnet itself without a gateway.
std::string describe_subnet(const json& pool) {
  std::string subnet = text_of(pool, "Subnet");
  const std::string gateway = text_of(pool, "Gateway");
  const std::size_t slash = subnet.find('/');
  if (gateway.empty() || slash == std::string::npos) return subnet;
  return gateway + subnet.substr(slash);
}

std::string describe_network(const json& network, bool colour) {
  const std::string driver = text_of(network, "Driver");
  std::string text =
      fmt::format("{} {}", driver, styled(text_of(network, "Name"), Style::bold, colour));
  const auto append = [&text](const std::string& part) {
    if (!part.empty()) text.append(column_gap).append(part);
  };
  append(text_of(network, "Link"));
  for (const json& pool : list_of(network, "Subnets")) {
    append(styled(describe_subnet(pool), Style::cyan, colour));
  }
  if (is_set(network, "Internal", false)) append("internal");
  if (is_set(network, "Masquerade", false)) append("masquerade");
  if (driver == "bridge" && !is_set(network, "ICC", true)) append("sandboxes isolated");
  return text;
}

std::string describe_port(const json& port) {
  const std::string address = text_of(port, "IP");
  const bool is_v6 = address.find(':') != std::string::npos;
  return fmt::format("{}:{}→{}/{}", is_v6 ? "[" + address + "]" : address,
                     port.value("PublicPort", 0), port.value("PrivatePort", 0),
                     text_of(port, "Type"));
}

struct Cell {
  std::string text;
  std::optional<Style> style;
};

/// Name, interface, IPv4, IPv6, MAC, ports.
using Line = std::array<Cell, 6>;

Line describe_sandbox(const json& sandbox) {
  std::string ports;
  for (const json& port : list_of(sandbox, "Ports")) {
    if (!ports.empty()) ports += ' ';
    ports += describe_port(port);
  }
  return {Cell{text_of(sandbox, "Name"), Style::bold},
          Cell{text_of(sandbox, "Interface"), std::nullopt},
          Cell{without_length(text_of(sandbox, "IPv4Address")), Style::cyan},
          Cell{without_length(text_of(sandbox, "IPv6Address")), Style::cyan},
          Cell{text_of(sandbox, "MacAddress"), Style::dim},
          Cell{ports, Style::green}};
}

std::vector<std::size_t> column_widths(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(std::tuple_size_v<Line>, 0);
  for (const Line& line : lines) {
    for (std::size_t column = 0; column < line.size(); ++column) {
      widths[column] = std::max(widths[column], display_width(line[column].text));
    }
  }
  return widths;
}

/// Columns that are empty in every line take no room; nothing is padded at a line's end.
std::string join_cells(const Line& line, const std::vector<std::size_t>& widths, bool colour) {
  std::string text;
  std::size_t pending = 0;  // spaces to write before the next cell with text
  for (std::size_t column = 0; column < line.size(); ++column) {
    if (widths[column] == 0) continue;
    const Cell& cell = line[column];
    if (!cell.text.empty()) {
      text.append(pending, ' ');
      text += cell.style ? styled(cell.text, *cell.style, colour) : cell.text;
      pending = 0;
    }
    pending += widths[column] - display_width(cell.text) + column_gap.size();
  }
  return text;
}

void append_network(std::string& text, const json& network, bool is_last, bool colour) {
  text += fmt::format("{} {}\n", is_last ? "└─" : "├─", describe_network(network, colour));
  std::vector<Line> lines;
  for (const json& sandbox : list_of(network, "Sandboxes"))
    lines.push_back(describe_sandbox(sandbox));
  const auto widths = column_widths(lines);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += fmt::format("{}  {} {}\n", is_last ? " " : "│", i + 1 == lines.size() ? "└─" : "├─",
                        join_cells(lines[i], widths, colour));
  }
}

}  // namespace

std::string render_topology(const json& topology, bool colour) {
  std::string text = "host\n";
  const json networks = list_of(topology, "Networks");
  for (std::size_t i = 0; i < networks.size(); ++i) {
    append_network(text, networks[i], i + 1 == networks.size(), colour);
  }
  return text;
}

}  // namespace netd::ctl
