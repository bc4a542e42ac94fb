#include "drivers/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <sstream>

#include "drivers/options.h"

namespace drivers {
namespace {

constexpr std::array<std::string_view, 3> nowhere{"blackhole", "unreachable", "prohibit"};

[[noreturn]] void refuse(const std::string& text, std::string_view why) {
  throw std::invalid_argument(
      fmt::format("failed to parse {} value: {} ({}): write routes like 10.9.0.0/16 via 10.5.0.9 "
                  "metric 20, or blackhole 10.66.0.0/16, separated by commas",
                  option_routes, text, why));
}

std::uint32_t parse_metric(const std::string& text, const std::string& route) {
  std::uint32_t metric = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), metric);
  if (error != std::errc() || end != text.data() + text.size()) refuse(route, "no such metric");
  return metric;
}

StaticRoute parse_route(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  StaticRoute route;
  words >> word;
  if (std::ranges::find(nowhere, word) != nowhere.end()) {
    route.type = word;
    word.clear();
    words >> word;
  }
  const auto destination = ipam::Prefix::parse(word);
  if (!destination) refuse(text, "no destination");
  if (destination->length == 0) refuse(text, "the default route is the gateway's");
  route.destination = destination->masked();
  while (words >> word) {
    std::string value;
    words >> value;
    if (word == "metric") {
      route.metric = parse_metric(value, text);
    } else if (word == "via" && route.type.empty()) {
      route.next_hop = ipam::Address::parse(value);
      if (!route.next_hop || route.next_hop->family() != destination->family())
        refuse(text, "no next hop of that family");
    } else {
      refuse(text, fmt::format("unexpected \"{}\"", word));
    }
  }
  return route;
}

}  // namespace

std::vector<StaticRoute> route_options(const Options& options) {
  std::vector<StaticRoute> routes;
  std::istringstream parts(text_option(options, option_routes, ""));
  for (std::string part; std::getline(parts, part, ',');)
    routes.push_back(parse_route(part));
  std::ranges::stable_partition(
      routes, [](const StaticRoute& route) { return !route.next_hop.has_value(); });
  return routes;
}

std::uint32_t metric_option(const Options& options) {
  return static_cast<std::uint32_t>(
      int_option(options, option_metric, 0, 0, std::numeric_limits<int>::max()));
}

void check_route_options(const Options& options) {
  route_options(options);
  metric_option(options);
  bool_option(options, option_no_default_route, false);
}

}  // namespace drivers
