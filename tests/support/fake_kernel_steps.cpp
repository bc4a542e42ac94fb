// What the steps do.
#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "tests/support/fake_kernel.h"

namespace tests {
namespace {

constexpr std::size_t longest_link_name = 15;  // IFNAMSIZ - 1
constexpr std::uint32_t ipv6_default_metric = 1024;

[[noreturn]] void fail(int error, const std::string& act) {
  throw std::system_error(error, std::system_category(), act);
}

ipam::Prefix prefix(const char* text) {
  return *ipam::Prefix::parse(text);
}

/// "eth0" of "net/ipv6/conf/eth0/accept_ra"; empty when the key isn't a link's.
std::string link_of(const std::string& key) {
  for (const std::string_view start :
       {"net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/"}) {
    if (!key.starts_with(start)) continue;
    const auto end = key.find('/', start.size());
    if (end != std::string::npos) return key.substr(start.size(), end - start.size());
  }
  return "";
}

}  // namespace

void FakeKernel::apply(const sandbox::Step& step) {
  if (fail_apply_in_ != 0 && --fail_apply_in_ == 0) fail(EIO, to_text(step));
  std::visit([this](const auto& fields) { make(fields); }, step);
  ++counters_.applied;
}

void FakeKernel::revert(const sandbox::Step& step) {
  if (reverts_to_fail_ != 0) {
    --reverts_to_fail_;
    fail(EIO, "revert " + to_text(step));
  }
  std::visit([this](const auto& fields) { unmake(fields); }, step);
  ++counters_.reverted;
}

// ---- namespaces ---------------------------------------------------------------------------------

std::optional<FakeKernel::NamespaceId> FakeKernel::find_namespace(
    const sandbox::Netns& netns) const {
  if (netns.empty()) return host;
  if (const auto pin = pins_.find(netns); pin != pins_.end()) return pin->second;
  if (const auto other = outside_.find(netns); other != outside_.end()) return other->second;
  return std::nullopt;
}

FakeKernel::NamespaceId FakeKernel::namespace_id(const sandbox::Netns& netns,
                                                 const std::string& act) const {
  const auto found = find_namespace(netns);
  if (!found) fail(ENOENT, act + " in " + netns);
  return *found;
}

FakeKernel::Namespace& FakeKernel::namespace_at(const sandbox::Netns& netns,
                                                const std::string& act) {
  return namespaces_.at(namespace_id(netns, act));
}

FakeKernel::NamespaceId FakeKernel::create_namespace() {
  const NamespaceId id = next_namespace_++;
  namespaces_[id].links[lo_index] = {.name = "lo", .kind = "", .mtu = 65536};
  return id;
}

void FakeKernel::drop_unreferenced_namespaces() {
  const auto holds = [](const auto& paths, NamespaceId id) {
    return std::ranges::any_of(paths, [id](const auto& entry) { return entry.second == id; });
  };
  for (auto place = namespaces_.begin(); place != namespaces_.end();) {
    const NamespaceId id = place->first;
    if (id == host || holds(pins_, id) || holds(outside_, id)) {
      ++place;
      continue;
    }
    while (!place->second.links.empty())
      delete_link(id, place->second.links.begin()->first);
    place = namespaces_.erase(place);
  }
}

void FakeKernel::make(const sandbox::PinNamespace& step) {
  const std::string act = "pin namespace " + step.path;
  if (pins_.contains(step.path)) fail(EEXIST, act);
  pins_[step.path] =
      step.source.empty() ? create_namespace() : namespace_id(step.source, act + " from");
}

void FakeKernel::unmake(const sandbox::PinNamespace& step) {
  pins_.erase(step.path);
  drop_unreferenced_namespaces();
}

// ---- links --------------------------------------------------------------------------------------

FakeKernel::Link& FakeKernel::link_at(const sandbox::Netns& netns, std::uint32_t index,
                                      const std::string& act) {
  auto& links = namespace_at(netns, act).links;
  const auto found = links.find(index);
  if (found == links.end() || found->second.dying) fail(ENODEV, act);
  return found->second;
}

void FakeKernel::reap_holders(NamespaceId netns, const std::string& name, std::uint32_t index) {
  const auto is_holder = [&](const auto& entry) {
    return entry.second.dying && (entry.first == index || entry.second.name == name);
  };
  auto& links = namespaces_.at(netns).links;
  for (auto found = std::ranges::find_if(links, is_holder); found != links.end();
       found = std::ranges::find_if(links, is_holder))
    delete_link(netns, found->first);
}

void FakeKernel::check_free(NamespaceId netns, const std::string& name, std::uint32_t index,
                            const std::string& act, int index_error) {
  if (name.empty() || name.size() > longest_link_name || index == 0) fail(EINVAL, act);
  reap_holders(netns, name, index);
  const auto& links = namespaces_.at(netns).links;
  if (links.contains(index)) fail(index_error, act);
  for (const auto& entry : links)
    if (entry.second.name == name) fail(EEXIST, act);
}

void FakeKernel::make(const sandbox::CreateBridge& step) {
  check_free(host, step.name, step.index, "create bridge " + step.name, EEXIST);
  namespaces_[host].links[step.index] = {
      .name = step.name, .kind = "bridge", .mac = step.mac, .mtu = step.mtu == 0 ? 1500 : step.mtu};
  namespaces_[host].links[step.index].no_snooping = step.bare;
  if (step.vlan != 0)
    namespaces_[host].links[step.index].detail = "vlan " + std::to_string(step.vlan);
}

void FakeKernel::make(const sandbox::CreateVeth& step) {
  const std::string act = "create veth " + step.name;
  const NamespaceId inside = namespace_id(step.netns, act);
  const std::uint32_t peer_index =
      step.peer_index == 0 ? free_index(namespaces_.at(inside)) : step.peer_index;
  check_free(host, step.name, step.index, act, EEXIST);
  check_free(inside, step.peer_name, peer_index, act, EBUSY);
  const bool clash = inside == host && (step.name == step.peer_name || step.index == peer_index);
  if (clash) fail(EEXIST, act);
  const std::uint32_t mtu = step.mtu == 0 ? 1500 : step.mtu;
  namespaces_[host].links[step.index] = {.name = step.name,
                                         .kind = "veth",
                                         .mac = step.mac,
                                         .mtu = mtu,
                                         .peer = {{inside, peer_index}}};
  namespaces_[inside].links[peer_index] = {.name = step.peer_name,
                                           .kind = "veth",
                                           .mac = step.peer_mac,
                                           .mtu = mtu,
                                           .peer = {{host, step.index}}};
}

void FakeKernel::make(const sandbox::CreateVxlan& step) {
  const std::string act = "create vxlan " + step.name;
  check_free(host, step.name, step.index, act, EEXIST);
  auto& links = namespaces_[host].links;
  const auto has_vni = [&](const auto& entry) {
    return entry.second.vxlan && entry.second.vxlan->vni == step.vni;
  };
  for (auto found = std::ranges::find_if(links, has_vni); found != links.end();
       found = std::ranges::find_if(links, has_vni)) {
    if (!found->second.dying) fail(EEXIST, act + ": VNI " + std::to_string(step.vni));
    delete_link(host, found->first);
  }
  links[step.index] = {.name = step.name,
                       .kind = "vxlan",
                       .mac = step.mac,
                       .mtu = step.mtu == 0 ? 1500 : step.mtu,
                       .detail = "id " + std::to_string(step.vni) + " port " +
                                 std::to_string(step.port) + " local " + step.local.to_string(),
                       .vxlan = step};
}

void FakeKernel::make(const sandbox::CreateLink& step) {
  const std::string act = "create " + step.kind + " " + step.name;
  if (!has_link_kind(step.kind)) fail(EOPNOTSUPP, act);
  const NamespaceId inside = namespace_id(step.netns, act);
  std::uint32_t mtu = 1500;
  if (step.parent != 0) mtu = link_at("", step.parent, act).mtu;
  if (step.mtu > mtu && step.kind == "macvlan") fail(EINVAL, act);
  // The parent hands its frames to one kind only (rx_handler).
  for (const auto& entry : namespaces_)
    for (const auto& [index, link] : entry.second.links)
      if (link.parent == step.parent && step.parent != 0 && link.kind != step.kind &&
          link.kind != "vlan" && step.kind != "vlan" && !link.dying)
        fail(EBUSY, act);
  const std::uint32_t index = step.index == 0 ? free_index(namespaces_.at(inside)) : step.index;
  check_free(inside, step.name, index, act, EEXIST);
  std::string detail = step.mode + (step.flag.empty() ? "" : " " + step.flag);
  if (step.vlan != 0) detail = std::to_string(step.vlan);
  for (const ipam::Mac& source : step.sources)
    detail += " from " + source.to_string();
  namespaces_[inside].links[index] = {.name = step.name,
                                      .kind = step.kind,
                                      .mac = step.mac,
                                      .mtu = step.mtu == 0 ? mtu : step.mtu,
                                      .parent = step.parent,
                                      .detail = detail};
}

void FakeKernel::unmake(const sandbox::CreateBridge& step) {
  remove_link(step.index, step.name);
}
void FakeKernel::unmake(const sandbox::CreateVeth& step) {
  remove_link(step.index, step.name);
}
void FakeKernel::unmake(const sandbox::CreateVxlan& step) {
  const auto there = find_vxlan(step.name);
  if (there && (there->index == step.index || there->alias.starts_with("netd:")))
    remove_link(there->index, step.name);
}
void FakeKernel::unmake(const sandbox::CreateLink& step) {
  const auto inside = find_namespace(step.netns);
  if (!inside) return;
  for (const auto& [index, link] : namespaces_.at(*inside).links)
    if (link.name == step.name && link.kind == step.kind && !link.dying)
      return retire_link(*inside, index);
}

void FakeKernel::move_link(NamespaceId from, std::uint32_t index, NamespaceId to,
                           const std::string& name, std::uint32_t new_index,
                           const std::string& act) {
  check_free(to, name, new_index, act, EEXIST);
  Namespace& place = namespaces_.at(from);
  set_up(place, index, false);
  Link link = place.links.extract(index).mapped();
  std::erase_if(place.sysctls,
                [&](const auto& entry) { return link_of(entry.first) == link.name; });
  link.addresses.clear();
  link.name = name;
  if (link.peer)
    namespaces_.at(link.peer->first).links.at(link.peer->second).peer = {to, new_index};
  namespaces_.at(to).links[new_index] = std::move(link);
}

void FakeKernel::make(const sandbox::MoveLink& step) {
  const std::string act = "move link " + step.name;
  const NamespaceId inside = namespace_id(step.netns, act);
  const auto link = find_link("", step.name);
  if (!link) fail(ENODEV, act);
  move_link(host, link->index, inside, step.new_name, step.index, act);
}

void FakeKernel::unmake(const sandbox::MoveLink& step) {
  const auto inside = find_namespace(step.netns);
  if (!inside || !namespaces_.at(*inside).links.contains(step.index)) return;
  move_link(*inside, step.index, host, step.name, step.index, "move link " + step.new_name);
}

void FakeKernel::remove_link(std::uint32_t index, const std::string& name) {
  auto& links = namespaces_[host].links;
  const auto found = links.find(index);
  if (found == links.end() || found->second.name != name) return;
  retire_link(host, index);
}

void FakeKernel::retire_link(NamespaceId where, std::uint32_t index) {
  if (!reap_later_) return delete_link(where, index);
  Link& link = namespaces_.at(where).links.at(index);
  link.dying = true;
  set_up(namespaces_.at(where), index, false);
  if (!link.peer) return;
  const auto [netns, peer] = *link.peer;
  namespaces_.at(netns).links.at(peer).dying = true;
  set_up(namespaces_.at(netns), peer, false);
}

void FakeKernel::delete_link(NamespaceId netns, std::uint32_t index) {
  Namespace& place = namespaces_.at(netns);
  const auto node = place.links.extract(index);
  if (!node) return;
  const Link& link = node.mapped();
  std::erase_if(place.routes, [&](const Route& route) { return route.index == index; });
  std::erase_if(place.sysctls,
                [&](const auto& entry) { return link_of(entry.first) == link.name; });
  if (link.kind == "bridge")
    for (auto& entry : place.links)
      if (entry.second.master == index) {
        entry.second.master = 0;
        entry.second.port = {};
        entry.second.fdb.clear();
      }
  if (link.peer) delete_link(link.peer->first, link.peer->second);
  if (netns == host) delete_children(index);
}

void FakeKernel::delete_children(std::uint32_t parent) {
  for (auto& [id, netns] : namespaces_) {
    std::vector<std::uint32_t> children;
    for (const auto& [index, link] : netns.links)
      if (link.parent == parent) children.push_back(index);
    for (const std::uint32_t child : children)
      delete_link(id, child);
  }
}

void FakeKernel::set_up(Namespace& netns, std::uint32_t index, bool up) {
  Link& link = netns.links.at(index);
  if (link.up == up) return;
  link.up = up;
  if (up && link.name == "lo") {
    link.addresses.insert(prefix("127.0.0.1/8"));
    link.addresses.insert(prefix("::1/128"));
  }
  if (up) return;
  std::erase_if(netns.routes, [&](const Route& route) { return route.index == index; });
  std::erase_if(link.addresses,
                [](const auto& address) { return address.family() == ipam::Family::v6; });
}

void FakeKernel::make(const sandbox::SetLink& step) {
  const std::string act = "set link " + std::to_string(step.index);
  Link& link = link_at(step.netns, step.index, act);
  if (step.master && *step.master != 0) {
    const auto& links = namespace_at(step.netns, act).links;
    const auto bridge = links.find(*step.master);
    if (bridge == links.end() || bridge->second.dying) fail(EINVAL, act);
    if (bridge->second.kind != "bridge" && bridge->second.kind != "vrf") fail(EOPNOTSUPP, act);
  }
  if (step.master && link.master != *step.master) {
    link.master = *step.master;
    link.port = {};
    link.fdb.clear();
  }
  if (step.alias) link.alias = *step.alias;
  if (step.mac) link.mac = *step.mac;
  if (step.mtu) link.mtu = *step.mtu;
  if (step.ipv6_link_local) link.ipv6_link_local = *step.ipv6_link_local;
  if (step.up) set_up(namespace_at(step.netns, act), step.index, *step.up);
}

void FakeKernel::make(const sandbox::SetBridgePort& step) {
  const std::string act = "set bridge port " + std::to_string(step.index);
  Link& link = link_at("", step.index, act);
  if (link.master == 0) fail(EOPNOTSUPP, act);
  link.port = step;
  if (step.vlan != 0) link.detail = "vlan " + std::to_string(step.vlan);
}

void FakeKernel::make(const sandbox::AddFdbEntry& step) {
  const std::string act = to_text(sandbox::Step(step));
  Link& link = link_at("", step.index, act);
  if (link.master == 0) fail(EINVAL, act);
  for (auto& entry : namespaces_[host].links)
    if (entry.second.master == link.master) entry.second.fdb.erase(step.mac);
  link.fdb.insert(step.mac);
}

void FakeKernel::unmake(const sandbox::AddFdbEntry& step) {
  auto& links = namespaces_[host].links;
  if (const auto link = links.find(step.index); link != links.end())
    link->second.fdb.erase(step.mac);
}

// ---- addresses and routes -----------------------------------------------------------------------

void FakeKernel::make(const sandbox::AddAddress& step) {
  const std::string act =
      "add address " + step.address.to_string() + " to link " + std::to_string(step.index);
  Link& link = link_at(step.netns, step.index, act);
  if (step.address.family() == ipam::Family::v6 &&
      read_sysctl(step.netns, "net/ipv6/conf/" + link.name + "/disable_ipv6") == "1")
    fail(EACCES, act + " (is IPv6 disabled?)");
  if (!link.addresses.insert(step.address).second) fail(EEXIST, act);
}

void FakeKernel::unmake(const sandbox::AddAddress& step) {
  const auto netns = find_namespace(step.netns);
  if (!netns) return;
  Namespace& place = namespaces_.at(*netns);
  const auto link = place.links.find(step.index);
  if (link == place.links.end() || link->second.addresses.erase(step.address) == 0) return;
  const auto is_v4 = [](const ipam::Prefix& address) { return address.address.is_v4(); };
  if (std::ranges::any_of(link->second.addresses, is_v4) || !is_v4(step.address)) return;
  // fib_inetaddr_event: without an IPv4 address, IPv4 is off on the link.
  std::erase_if(place.routes, [&](const Route& route) {
    return route.index == step.index && is_v4(route.destination);
  });
}

void FakeKernel::make(const sandbox::AddRoute& step) {
  const std::string act = "add route " + step.destination.to_string();
  Namespace& place = namespace_at(step.netns, act);
  if (!step.destination.is_masked()) fail(EINVAL, act);
  static const Link nowhere{.name = "", .kind = "", .up = true};
  const Link& link = step.type.empty() ? link_at(step.netns, step.index, act) : nowhere;
  if (!link.up) fail(ENETDOWN, act);
  const bool v6 = step.destination.family() == ipam::Family::v6;
  const std::uint32_t metric = step.metric == 0 && v6 ? ipv6_default_metric : step.metric;
  for (const Route& route : place.routes)
    if (route.destination == step.destination && route.metric == metric) fail(EEXIST, act);
  if (step.gateway) {
    const bool reachable =
        (v6 && step.gateway->is_link_local()) ||
        std::ranges::any_of(link.addresses,
                            [&](const auto& own) { return own.contains(*step.gateway); }) ||
        std::ranges::any_of(place.routes, [&](const Route& route) {
          return route.index == step.index && !route.gateway &&
                 route.destination.contains(*step.gateway);
        });
    if (!reachable) fail(v6 ? EHOSTUNREACH : ENETUNREACH, act);
  }
  place.routes.push_back({step.destination, metric, step.index, step.gateway, step.type});
}

void FakeKernel::unmake(const sandbox::AddRoute& step) {
  const auto netns = find_namespace(step.netns);
  if (!netns) return;
  const bool v6 = step.destination.family() == ipam::Family::v6;
  const std::uint32_t metric = step.metric == 0 && v6 ? ipv6_default_metric : step.metric;
  std::erase_if(namespaces_.at(*netns).routes, [&](const Route& route) {
    return route.destination == step.destination && route.metric == metric &&
           route.index == step.index && route.gateway == step.gateway;
  });
}

// ---- sysctls ------------------------------------------------------------------------------------

void FakeKernel::set_sysctl(Namespace& netns, const std::string& key, const std::string& value,
                            const std::string& act) {
  const std::string name = link_of(key);
  const bool known = name.empty() || name == "all" || name == "default" ||
                     std::ranges::any_of(
                         netns.links, [&](const auto& entry) { return entry.second.name == name; });
  if (!known || !key.starts_with("net/")) fail(ENOENT, act);
  netns.sysctls[key] = value;
}

void FakeKernel::make(const sandbox::SetSysctl& step) {
  const std::string act = "set sysctl " + step.key;
  set_sysctl(namespace_at(step.netns, act), step.key, step.value, act);
}

void FakeKernel::make(const sandbox::SetHostSysctl& step) {
  host_global_.emplace(step.key, read_sysctl("", step.key));
  set_sysctl(namespaces_[host], step.key, step.value, "set sysctl " + step.key);
}

// ---- nft ----------------------------------------------------------------------------------------

void FakeKernel::make(const sandbox::AddElements& step) {
  const std::string act = "add nft elements";
  if (!firewall_) fail(ENOENT, act);
  auto all = elements_;
  for (const sandbox::Element& element : step.elements)
    if (!all.try_emplace(element_key(element), element).second)
      fail(EEXIST, act + " " + element.set + " " + to_text(element));
  elements_ = std::move(all);
}

void FakeKernel::unmake(const sandbox::AddElements& step) {
  for (const sandbox::Element& element : step.elements) {
    const auto found = elements_.find(element_key(element));
    if (found != elements_.end() && found->second == element) elements_.erase(found);
  }
}

std::pair<std::string, std::string> FakeKernel::element_key(const sandbox::Element& element) {
  return {element.set, to_text(sandbox::Element{.set = {}, .key = element.key, .value = {}})};
}

void FakeKernel::make(const sandbox::RedirectDns& step) {
  const std::string act = "redirect DNS";
  Namespace& place = namespace_at(step.netns, act);
  if (place.dns_port) fail(EEXIST, act + " in " + step.netns);
  place.dns_port = step.port;
}

void FakeKernel::unmake(const sandbox::RedirectDns& step) {
  if (const auto netns = find_namespace(step.netns)) namespaces_.at(*netns).dns_port.reset();
}

}  // namespace tests
