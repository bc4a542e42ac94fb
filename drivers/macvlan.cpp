#include "drivers/macvlan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drivers/options.h"

namespace drivers {
namespace {

constexpr std::array<std::string_view, 5> modes{"bridge", "private", "vepa", "passthru", "source"};

std::string mode_of(const Network& network) {
  std::string mode = text_option(network.options, option_macvlan_mode, "");
  return mode.empty() ? "bridge" : mode;
}

/// "02:…,02:…"
std::vector<ipam::Mac> sources_of(const Network& network) {
  std::vector<ipam::Mac> sources;
  std::string_view rest = [&]() -> std::string_view {
    const auto found = network.options.find(std::string(option_macvlan_sources));
    return found == network.options.end() ? std::string_view() : found->second;
  }();
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const auto mac = ipam::Mac::parse(rest.substr(0, comma));
    if (!mac)
      throw std::invalid_argument(fmt::format("failed to parse {} value: {} (no MAC address)",
                                              option_macvlan_sources, rest.substr(0, comma)));
    sources.push_back(*mac);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return sources;
}

}  // namespace

void Macvlan::check_options(const Network& network) const {
  Stacked::check_options(network);
  const std::string mode = mode_of(network);
  if (std::ranges::find(modes, mode) == modes.end())
    throw std::invalid_argument(fmt::format(
        "requested macvlan mode '{}' is not valid, 'bridge' mode is the macvlan driver default",
        mode));
  if (sources_of(network).empty() == (mode == "source"))
    throw std::invalid_argument(
        mode == "source"
            ? fmt::format("macvlan mode source needs the MAC addresses to accept frames from: -o "
                          "{}=02:00:00:00:00:01,…",
                          option_macvlan_sources)
            : fmt::format("{} is of -o macvlan_mode=source only", option_macvlan_sources));
}

std::string Macvlan::full(const Network& network, std::size_t endpoints) const {
  if (mode_of(network) != "passthru" || endpoints == 0) return {};
  return "in macvlan mode passthru a parent has one endpoint; use mode bridge for more";
}

std::string Macvlan::no_host_access(const Network& network) const {
  const std::string mode = mode_of(network);
  if (mode == "bridge") return {};
  return fmt::format(
      "in macvlan mode {} links on one parent don't reach each other; use mode bridge", mode);
}

std::string Macvlan::no_sharing(const Network& network, const Network& other) const {
  if (std::string why = Stacked::no_sharing(network, other); !why.empty()) return why;
  if (mode_of(network) == "passthru")
    return fmt::format(
        "cannot use mode passthru, macvlan network {} is already using parent interface {}",
        other.name, other.link_name);
  if (mode_of(other) == "passthru")
    return fmt::format("macvlan network {} is already using parent interface {} in mode passthru",
                       other.name, other.link_name);
  return {};
}

void Macvlan::set_mode(const Network& network, sandbox::CreateLink& link) const {
  link.mode = mode_of(network);
  link.sources = sources_of(network);
}

std::vector<std::string_view> Macvlan::mode_options() const {
  return {option_macvlan_mode, option_macvlan_sources};
}

}  // namespace drivers
