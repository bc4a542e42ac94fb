#include "drivers/ipvlan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "drivers/options.h"

namespace drivers {
namespace {

constexpr std::array<std::string_view, 3> modes{"l2", "l3", "l3s"};
constexpr std::array<std::string_view, 3> flags{"bridge", "private", "vepa"};

std::string choice(const Network& network, std::string_view option, std::string_view fallback) {
  const std::string chosen = text_option(network.options, option, "");
  return chosen.empty() ? std::string(fallback) : chosen;
}

std::string mode_of(const Network& network) {
  return choice(network, option_ipvlan_mode, "l2");
}
std::string flag_of(const Network& network) {
  return choice(network, option_ipvlan_flag, "bridge");
}

}  // namespace

Traits Ipvlan::traits() const {
  Traits traits = Stacked::traits();
  traits.has_mac = false;
  return traits;
}

void Ipvlan::check_options(const Network& network) const {
  Stacked::check_options(network);
  if (std::ranges::find(modes, mode_of(network)) == modes.end())
    throw std::invalid_argument(fmt::format(
        "requested ipvlan mode '{}' is not valid, 'l2' mode is the ipvlan driver default",
        mode_of(network)));
  if (std::ranges::find(flags, flag_of(network)) == flags.end())
    throw std::invalid_argument(fmt::format(
        "requested ipvlan flag '{}' is not valid, 'bridge' is the ipvlan driver default",
        flag_of(network)));
}

std::optional<ipam::Address> Ipvlan::gateway(const Network& network, const Endpoint& endpoint,
                                             ipam::Family family) const {
  if (mode_of(network) != "l2") return std::nullopt;
  return Stacked::gateway(network, endpoint, family);
}

std::string Ipvlan::no_host_access(const Network& network) const {
  if (flag_of(network) == "bridge") return {};
  return fmt::format("with ipvlan_flag {} links on one parent don't reach each other; use bridge",
                     flag_of(network));
}

std::string Ipvlan::no_sharing(const Network& network, const Network& other) const {
  if (std::string why = Stacked::no_sharing(network, other); !why.empty()) return why;
  return fmt::format(
      "network {} is already using parent interface {}; one ipvlan network may have "
      "several subnets",
      other.name, other.link_name);
}

void Ipvlan::set_mode(const Network& network, sandbox::CreateLink& link) const {
  link.mode = mode_of(network);
  link.flag = flag_of(network);
}

std::vector<std::string_view> Ipvlan::mode_options() const {
  return {option_ipvlan_mode, option_ipvlan_flag};
}

}  // namespace drivers
