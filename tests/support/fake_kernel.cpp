#include "tests/support/fake_kernel.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tests {
namespace {

using sandbox::Netns;

// Where the kernel counts on from when nobody chooses an index.
constexpr std::uint32_t first_kernel_index = 2;

}  // namespace

FakeKernel::FakeKernel() {
  namespaces_[host].links[lo_index] = {.name = "lo", .kind = "", .mtu = 65536};
  namespaces_[host].sysctls = {{"net/ipv4/ip_forward", "0"}, {"net/ipv6/conf/all/forwarding", "0"}};
  set_up(namespaces_[host], lo_index, true);
}

// ---- the world before netd ----------------------------------------------------------------------

void FakeKernel::add_namespace(const std::string& path) {
  outside_[path] = create_namespace();
}

void FakeKernel::remove_namespace(const std::string& path) {
  outside_.erase(path);
  drop_unreferenced_namespaces();
}

std::uint32_t FakeKernel::free_index(const Namespace& netns) {
  std::uint32_t index = first_kernel_index;
  while (netns.links.contains(index))
    ++index;
  return index;
}

std::uint32_t FakeKernel::add_link(const Netns& netns, const std::string& name,
                                   const std::string& kind,
                                   const std::vector<ipam::Prefix>& addresses, bool up) {
  const std::string act = "add link " + name;
  Namespace& place = namespace_at(netns, act);
  const std::uint32_t index = free_index(place);
  check_free(namespace_id(netns, act), name, index, act, EEXIST);
  place.links[index] = {.name = name, .kind = kind};
  place.links[index].addresses.insert(addresses.begin(), addresses.end());
  set_up(place, index, up);
  return index;
}

void FakeKernel::remove_link(const std::string& name) {
  if (const auto link = find_link("", name)) delete_link(host, link->index);
}

void FakeKernel::rename_link(const std::string& name, const std::string& to) {
  if (const auto link = find_link("", name)) namespaces_[host].links.at(link->index).name = to;
}

void FakeKernel::set_sysctl(const Netns& netns, const std::string& key, const std::string& value) {
  namespace_at(netns, "set sysctl " + key).sysctls[key] = value;
}

void FakeKernel::reboot() {
  pins_.clear();
  outside_.clear();
  drop_unreferenced_namespaces();
  std::vector<std::uint32_t> made;
  for (const auto& [index, link] : namespaces_[host].links)
    if (!link.kind.empty()) made.push_back(index);
  for (const std::uint32_t index : made)
    delete_link(host, index);
  for (const auto& [key, value] : host_global_) {
    namespaces_[host].sysctls.erase(key);
    if (value) namespaces_[host].sysctls[key] = *value;
  }
  host_global_.clear();
  remove_firewall();
}

// ---- sandbox::Kernel ----------------------------------------------------------------------------
std::optional<sandbox::LinkFacts> FakeKernel::find_link(const Netns& netns,
                                                        const std::string& name) {
  if (const auto encrypts = wireguard_.links.find(name);
      netns.empty() && encrypts != wireguard_.links.end())
    return sandbox::LinkFacts{.name = name, .index = encrypts->second.index, .kind = "wireguard"};
  const auto place = find_namespace(netns);
  if (!place) return std::nullopt;
  for (const auto& [index, link] : namespaces_.at(*place).links) {
    if (link.dying || link.name != name) continue;
    return sandbox::LinkFacts{.name = name,
                              .index = index,
                              .kind = link.kind,
                              .alias = link.alias,
                              .mac = link.mac,
                              .mtu = link.mtu,
                              .up = link.up,
                              .no_snooping = link.no_snooping,
                              .addresses = {link.addresses.begin(), link.addresses.end()}};
  }
  return std::nullopt;
}

std::optional<sandbox::Vxlan> FakeKernel::find_vxlan(const std::string& name) {
  for (const auto& [index, link] : namespaces_.at(host).links) {
    if (link.dying || link.name != name || !link.vxlan) continue;
    sandbox::Vxlan vxlan{.name = name,
                         .index = index,
                         .mac = link.mac,
                         .alias = link.alias,
                         .mtu = link.mtu,
                         .vni = link.vxlan->vni,
                         .port = link.vxlan->port,
                         .local = link.vxlan->local,
                         .master = link.master,
                         .up = link.up,
                         .port_flags = link.port};
    vxlan.port_flags.index = index;
    return vxlan;
  }
  return std::nullopt;
}

std::vector<std::string> FakeKernel::link_names(const Netns& netns) {
  std::vector<std::string> names;
  const auto place = find_namespace(netns);
  if (!place) return names;
  for (const auto& entry : namespaces_.at(*place).links)
    if (!entry.second.dying) names.push_back(entry.second.name);
  return names;
}

std::vector<ipam::Prefix> FakeKernel::on_link_routes() {
  std::vector<ipam::Prefix> routes;
  for (const auto& [index, link] : namespaces_[host].links) {
    if (link.dying || !link.up || index == lo_index) continue;
    for (const ipam::Prefix& address : link.addresses)
      if (!address.address.is_link_local()) routes.push_back(address.masked());
  }
  for (const Route& route : namespaces_[host].routes)
    if (!route.gateway && route.destination.length != 0) routes.push_back(route.destination);
  return routes;
}

bool FakeKernel::is_pinned(const std::string& path) {
  return pins_.contains(path);
}

bool FakeKernel::is_namespace(const std::string& path, const sandbox::Netns& netns) {
  const bool own =
      path == "/proc/thread-self/ns/net" || path == "/proc/" + std::to_string(getpid()) + "/ns/net";
  const auto found = own ? std::optional(host) : find_namespace(path);
  return found && found == find_namespace(netns);
}

void FakeKernel::forget_flows(const std::vector<ipam::Address>& addresses,
                              const std::vector<sandbox::Element>& ports) {
  flows_forgotten_.push_back({addresses, ports});
}

std::size_t FakeKernel::dying_links() {
  std::size_t dying = 0;
  for (const auto& [id, netns] : namespaces_)
    for (const auto& entry : netns.links)  // a veth pair counts once
      dying += entry.second.dying && (id == host || !entry.second.peer) ? 1 : 0;
  return dying;
}

void FakeKernel::drain() {
  ++counters_.drains;
  const auto is_dying = [](const auto& entry) { return entry.second.dying; };
  for (auto& [id, netns] : namespaces_)
    for (auto found = std::ranges::find_if(netns.links, is_dying); found != netns.links.end();
         found = std::ranges::find_if(netns.links, is_dying))
      delete_link(id, found->first);
}

void FakeKernel::advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                           const std::vector<ipam::Address>& addresses, int /*count*/,
                           int /*interval_ms*/) {
  advertisements_.push_back({bridge_index, mac, addresses});
}

std::optional<std::string> FakeKernel::read_sysctl(const Netns& netns, const std::string& key) {
  const auto place = find_namespace(netns);
  if (!place) return std::nullopt;
  const auto& sysctls = namespaces_.at(*place).sysctls;
  const auto found = sysctls.find(key);
  return found == sysctls.end() ? std::nullopt : std::optional(found->second);
}

std::vector<sandbox::Element> FakeKernel::elements() const {
  std::vector<sandbox::Element> all;
  for (const auto& entry : elements_)
    all.push_back(entry.second);
  return all;
}

void FakeKernel::replace_firewall(const std::vector<sandbox::Element>& elements) {
  ++counters_.firewall_replacements;
  std::map<std::pair<std::string, std::string>, sandbox::Element> all;
  for (const sandbox::Element& element : elements)
    if (!all.try_emplace(element_key(element), element).second)
      throw std::system_error(EEXIST, std::system_category(),
                              "replace nft table: " + element.set + " " + to_text(element));
  elements_ = std::move(all);
  firewall_ = true;
}

void FakeKernel::remove_firewall() {
  elements_.clear();
  firewall_ = false;
}

// ---- the dump -----------------------------------------------------------------------------------

std::string FakeKernel::link_text(std::uint32_t index, const Link& link) {
  std::string text = "link " + std::to_string(index) + " " + link.name;
  if (!link.kind.empty()) text += " " + link.kind;
  text += " mac " + link.mac.to_string() + " mtu " + std::to_string(link.mtu);
  if (!link.alias.empty()) text += " alias \"" + link.alias + "\"";
  if (link.master != 0) text += " master " + std::to_string(link.master);
  if (link.peer) text += " peer " + std::to_string(link.peer->second);
  if (link.parent != 0) text += " on " + std::to_string(link.parent);
  if (!link.detail.empty()) text += " " + link.detail;
  if (link.no_snooping) text += " no-snooping";
  if (link.port.isolated) text += " isolated";
  if (link.port.hairpin) text += " hairpin";
  if (link.port.no_learning) text += " no-learning";
  if (link.port.locked) text += " locked";
  if (link.port.suppress_neighbours) text += " suppress-neighbours";
  if (link.port.no_flood) text += " no-flood";
  for (const ipam::Mac& mac : link.fdb)
    text += " fdb " + mac.to_string();
  if (!link.ipv6_link_local) text += " no-link-local";
  text += link.up ? " up" : " down";
  for (const ipam::Prefix& address : link.addresses)
    text += " " + address.to_string();
  return text;
}

void FakeKernel::dump(const std::string& where, const Namespace& netns,
                      std::set<std::string>& lines) const {
  for (const auto& [index, link] : netns.links)
    if (!link.dying) lines.insert(where + link_text(index, link));
  for (const Route& route : netns.routes) {
    std::string text = "route " + route.destination.to_string();
    if (!route.type.empty()) text += " " + route.type;
    if (route.gateway) text += " via " + route.gateway->to_string();
    text += " link " + std::to_string(route.index) + " metric " + std::to_string(route.metric);
    lines.insert(where + text);
  }
  auto sysctls = netns.sysctls;
  if (&netns == &namespaces_.at(host)) {
    for (const auto& [key, before] : host_global_) {
      sysctls.erase(key);
      if (before) sysctls[key] = *before;
    }
  }
  for (const auto& [key, value] : sysctls)
    lines.insert(where + "sysctl " + key + " " + value);
  if (netns.dns_port) lines.insert(where + "dns redirect " + std::to_string(*netns.dns_port));
}

std::string FakeKernel::state() const {
  std::set<std::string> lines;
  dump("host: ", namespaces_.at(host), lines);
  for (const auto& paths : {outside_, pins_}) {
    for (const auto& [path, id] : paths) {
      lines.insert(path + ": namespace");
      dump(path + ": ", namespaces_.at(id), lines);
    }
  }
  for (const auto& entry : elements_)
    lines.insert("nft: " + entry.second.set + " " + to_text(entry.second));
  for (const std::string& link : admitted_)
    lines.insert("forwarding admitted: " + link);
  std::string text;
  for (const std::string& line : lines)
    text += line + "\n";
  return text;
}

}  // namespace tests
