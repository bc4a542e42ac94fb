#include "netd/parents.h"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "drivers/stacked.h"

namespace netd {
namespace {

using ipam::Family;

[[noreturn]] void refuse_missing(const std::string& name) {
  throw std::invalid_argument(
      fmt::format("-o parent interface was not found on the host: {}", name));
}

bool names_parent(const drivers::Network& network) {
  return !drivers::text_option(network.options, drivers::option_parent, "").empty();
}

bool is_on(const NetworkRecord& record, const std::string& parent) {
  return record.network.parent && record.network.link_name == parent;
}

void check_sharing(const Controller::State& state, const drivers::Network& network) {
  for (const NetworkRecord* other : state.records.networks()) {
    if (other->network.id == network.id || !is_on(*other, network.link_name)) continue;
    const std::string why = state.drivers.find(network.driver)->no_sharing(network, other->network);
    if (!why.empty()) throw drivers::Refused(why);
  }
}

/// One that a lost state directory left: nobody's, and in the way. What the user named is never
/// taken for one, but for an 802.1Q link of netd's making: its alias may be that of an endpoint.
bool is_left_over(const Controller::State& state, const drivers::Network& network,
                  const sandbox::LinkFacts& facts) {
  if (facts.alias != drivers::vlan_alias)
    return !names_parent(network) && state.is_stray(facts.alias);
  return std::ranges::none_of(state.records.networks(), [&](const NetworkRecord* other) {
    return is_on(*other, facts.name) && !other->network.adopted_link;
  });
}

/// The 802.1Q link of that name, to be made.
void describe_vlan(Controller::State& state, drivers::Network& network) {
  if (network.link_name.find('.') == std::string::npos) refuse_missing(network.link_name);
  const drivers::VlanName vlan = drivers::parse_vlan_name(network.link_name);
  const auto base = state.kernel.find_link("", vlan.base);
  if (!base) refuse_missing(vlan.base);
  if (!base->up)
    throw Error(ErrorKind::conflict,
                fmt::format("parent {} of {} is down: bring it up (ip link set {} up)", vlan.base,
                            network.link_name, vlan.base));
  if (!state.kernel.has_link_kind("vlan"))
    throw Error(ErrorKind::internal, "this kernel has no 802.1Q links (module 8021q)");
  network.parent->kind = "vlan";
  network.parent->base = base->index;
  network.parent->vlan = vlan.id;
}

void describe_own_parent(Controller::State& state, drivers::Network& network) {
  drivers::Parent& parent = *network.parent;
  if (names_parent(network)) {
    describe_vlan(state, network);
  } else if (state.kernel.has_link_kind("dummy")) {
    parent.kind = "dummy";
  } else {
    parent.kind = "veth";
    parent.peer = state.make_link_index();
    network.link_mac = state.make_mac();
  }
  network.adopted_link = false;
  network.link_index = state.make_link_index();
}

void adopt(drivers::Network& network, const sandbox::LinkFacts& facts) {
  network.adopted_link = true;
  network.link_index = facts.index;
  network.link_mac = facts.mac;
  network.parent->mtu = facts.mtu;
}

/// The link with that index and address, whatever its name is now.
std::optional<sandbox::LinkFacts> find_renamed(Controller::State& state,
                                               const drivers::Network& network) {
  for (const std::string& name : state.kernel.link_names(""))
    if (auto facts = state.kernel.find_link("", name);
        facts && facts->index == network.link_index && facts->mac == network.link_mac)
      return facts;
  return std::nullopt;
}

void check_mtu(const drivers::Network& network) {
  const int mtu = drivers::int_option(network.options, drivers::option_mtu, 0, 0, 65535);
  const auto most = static_cast<int>(network.parent->mtu);
  if (most != 0 && mtu > most)
    throw std::invalid_argument(fmt::format("invalid MTU number: {} is above that of parent {}, {}",
                                            mtu, network.link_name, most));
}

/// The address that the host has on the network: the auxiliary one named "host", or any.
std::optional<ipam::Address> take_host_address(Controller::State& state,
                                               const NetworkRecord& record, Family family) {
  for (const drivers::Pool& pool : record.network.pools)
    if (const auto named = pool.auxiliary.find("host");
        named != pool.auxiliary.end() && named->second.family() == family)
      return named->second;
  const auto address = state.addresses.allocate(record, family, std::nullopt);
  return address ? std::optional(address->address) : std::nullopt;
}

std::vector<ipam::Address> global_addresses(const sandbox::LinkFacts& facts) {
  std::vector<ipam::Address> addresses;
  for (const ipam::Prefix& prefix : facts.addresses)
    if (!prefix.address.is_link_local()) addresses.push_back(prefix.address);
  return addresses;
}

void describe_host_access(Controller::State& state, drivers::Network& network,
                          const std::optional<sandbox::LinkFacts>& facts) {
  if (!drivers::bool_option(network.options, drivers::option_host_access, false)) return;
  drivers::HostAccess access{.link = "nh" + network.id.substr(0, 10),
                             .index = state.make_link_index()};
  if (state.drivers.find(network.driver)->traits().has_mac) access.mac = state.make_mac();
  const NetworkRecord record{.network = network};
  for (const Family family : {Family::v4, Family::v6})
    if (const auto address = take_host_address(state, record, family))
      access.addresses.push_back(*address);
  if (facts) access.host_addresses = global_addresses(*facts);
  network.parent->host_access = std::move(access);
}

}  // namespace

void choose_parent(Controller::State& state, drivers::Network& network,
                   std::vector<std::string>& warnings) {
  network.link_name = state.drivers.find(network.driver)->link_name(network);
  network.parent.emplace();
  check_sharing(state, network);
  auto facts = state.kernel.find_link("", network.link_name);
  if (facts && is_left_over(state, network, *facts)) {
    state.kernel.revert(
        sandbox::CreateLink{.kind = facts->kind, .name = facts->name, .index = facts->index});
    facts.reset();
  }
  if (facts) {
    adopt(network, *facts);
    if (!facts->up)
      warnings.push_back(
          fmt::format("parent {} is down: nothing passes until it is up (ip link set {} up)",
                      facts->name, facts->name));
  } else {
    describe_own_parent(state, network);
  }
  check_mtu(network);
  describe_host_access(state, network, facts);
}

std::optional<NetworkRecord> heir_of(const Controller::State& state, const NetworkRecord& leaving) {
  if (!leaving.network.parent || leaving.network.adopted_link) return std::nullopt;
  for (const NetworkRecord* other : state.records.networks()) {
    if (other->network.id == leaving.network.id || !is_on(*other, leaving.network.link_name))
      continue;
    NetworkRecord heir = *other;
    drivers::Network& network = heir.network;
    network.adopted_link = false;
    network.parent->kind = leaving.network.parent->kind;
    network.parent->base = leaving.network.parent->base;
    network.parent->vlan = leaving.network.parent->vlan;
    heir.progress.plan = state.driver_of(heir).network_plan(network);
    return heir;
  }
  return std::nullopt;
}

bool find_parent_again(Controller::State& state, drivers::Network& network) {
  auto facts = state.kernel.find_link("", network.link_name);
  if (network.adopted_link && !facts) {
    facts = find_renamed(state, network);
    if (facts) network.link_name = facts->name;
  }
  if (network.adopted_link && facts) {
    adopt(network, *facts);
    if (network.parent->host_access)
      network.parent->host_access->host_addresses = global_addresses(*facts);
    return true;
  }
  if (facts && facts->index == network.link_index) return true;
  if (!names_parent(network)) return true;
  const auto is_its_maker = [&](const NetworkRecord* other) {
    return other->network.id != network.id && is_on(*other, network.link_name) &&
           !other->network.adopted_link;
  };
  if (std::ranges::any_of(state.records.networks(), is_its_maker)) return false;
  try {
    describe_vlan(state, network);
    network.adopted_link = false;
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace netd
