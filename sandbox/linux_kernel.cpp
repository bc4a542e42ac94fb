#include "sandbox/linux_kernel.h"

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <variant>

#include "sandbox/addresses.h"
#include "sandbox/iptables_forward.h"
#include "sandbox/links.h"
#include "sandbox/netns.h"
#include "sandbox/sysctl.h"
#include "sandbox/vxlan.h"

namespace sandbox {
namespace {

/// True when a dying link can be what is in the way: its name, index, or port of the bridge
/// (EXFULL: a bridge has 1,023).
bool may_be_dying_links(const Step& step, const std::system_error& error) {
  const bool about_links =
      std::holds_alternative<CreateBridge>(step) || std::holds_alternative<CreateVeth>(step) ||
      std::holds_alternative<MoveLink>(step) || std::holds_alternative<SetLink>(step) ||
      std::holds_alternative<CreateLink>(step) || std::holds_alternative<CreateVxlan>(step);
  const int code = error.code().value();
  return about_links && (code == EEXIST || code == EXFULL);
}

/// What is not below net/ belongs to the whole machine, whatever namespace it is written in.
void require_namespaced(const SetSysctl& step) {
  if (!step.netns.empty() && !step.key.starts_with("net/")) {
    throw std::invalid_argument("sysctl '" + step.key + "' is not one of a network namespace");
  }
}

}  // namespace

LinuxKernel::LinuxKernel() = default;

void LinuxKernel::apply(const Step& step) {
  const auto once = [this](const auto& alternative) { apply_once(alternative); };
  // Asked before: the link that was in the way may be gone by the time the refusal is here.
  const bool any_dying = reaper_.waiting() != 0;
  try {
    std::visit(once, step);
  } catch (const std::system_error& error) {
    if (!may_be_dying_links(step, error) || !any_dying) throw;
    reaper_.drain();
    std::visit(once, step);
  }
}

void LinuxKernel::revert(const Step& step) {
  std::visit([this](const auto& alternative) { revert_once(alternative); }, step);
}

void LinuxKernel::apply_once(const PinNamespace& step) {
  if (step.source.empty()) {
    pin_new(step.path);
  } else {
    pin_existing(step.source, step.path);
  }
}

void LinuxKernel::apply_once(const CreateBridge& step) {
  create_bridge(host_, step);
}

void LinuxKernel::apply_once(const CreateVeth& step) {
  create_veth(host_, step, step.netns.empty() ? -1 : namespaces_.get(step.netns).fd.get());
}

void LinuxKernel::apply_once(const CreateVxlan& step) {
  create_vxlan(host_, step);
}

void LinuxKernel::apply_once(const CreateLink& step) {
  create_link(host_, step, step.netns.empty() ? -1 : namespaces_.get(step.netns).fd.get());
}

/// A link that an engine gave back may have another index than it was made with.
void LinuxKernel::revert_once(const CreateLink& step) {
  advertiser_.withdraw(step.mac);
  RtnlSocket* const rtnl = find_rtnl(step.netns);
  if (!rtnl) return;
  auto link = sandbox::find_link(*rtnl, step.index);
  if (!link || link->facts.kind != step.kind) link = sandbox::find_link(*rtnl, step.name);
  if (!link || link->facts.kind != step.kind) return;
  if (!link->dying() && !mark_dying(*rtnl, link->facts.index)) return;
  if (step.netns.empty()) {
    reaper_.notify(link->facts.index);
  } else {
    reaper_.notify_inside(namespaces_.get(step.netns).fd.duplicate(), link->facts.index);
  }
}

void LinuxKernel::apply_once(const MoveLink& step) {
  const auto link = sandbox::find_link(host_, step.name);
  if (!link || link->dying())
    throw std::system_error(ENODEV, std::system_category(), "move link " + step.name);
  OpenNetns& inside = namespaces_.get(step.netns);
  try {
    sandbox::move_link(host_, link->facts.index, inside.fd.get(), step.new_name, step.index);
  } catch (const std::system_error&) {
    revert_once(step);
    throw;
  }
}

void LinuxKernel::revert_once(const MoveLink& step) {
  RtnlSocket* const inside = find_rtnl(step.netns);
  if (!inside || !sandbox::find_link(*inside, step.index)) return;
  sandbox::move_link(*inside, step.index, open_netns("/proc/thread-self/ns/net").get(), step.name);
}

void LinuxKernel::apply_once(const SetLink& step) {
  RtnlSocket& socket = rtnl(step.netns);
  try {
    set_link(socket, step);
  } catch (const std::system_error& error) {
    if (error.code().value() != EADDRINUSE) throw;
    throw explain_taken_port(socket, step.index, error);
  }
  if (step.up.value_or(false)) unsettled_.emplace_back(step.netns, step.index);
}

/// The kernel sees to a link's carrier in the background, on a busy machine seconds later: until
/// then the host's end of a veth drops what goes to the container, and its port of the bridge what
/// comes from there. Who asks for a link by its index has that done at once (rtnl_getlink:
/// linkwatch_sync_dev); asked last, it mostly is done already, by another processor.
void LinuxKernel::settle() noexcept {
  for (const auto& [netns, index] : std::exchange(unsettled_, {}))
    try {
      RtnlSocket* const socket = find_rtnl(netns);
      const auto link = socket ? sandbox::find_link(*socket, index) : std::nullopt;
      if (!link || socket == &host_ || link->lower == 0) continue;
      const auto host_end = sandbox::find_link(host_, link->lower);
      if (host_end && host_end->master) sandbox::find_link(host_, host_end->master);
    } catch (const std::exception&) {  // it is seen to in time, or gone
    }
}

void LinuxKernel::apply_once(const AddFdbEntry& step) {
  add_fdb_entry(host_, step);
}

void LinuxKernel::revert_once(const AddFdbEntry& step) {
  remove_fdb_entry(host_, step);
}

void LinuxKernel::apply_once(const SetBridgePort& step) {
  set_bridge_port(host_, step);
}

void LinuxKernel::apply_once(const AddAddress& step) {
  flows_.finish(step.address.address);
  add_address(rtnl(step.netns), step);
}

void LinuxKernel::apply_once(const AddRoute& step) {
  add_route(rtnl(step.netns), step);
}

void LinuxKernel::apply_once(const SetSysctl& step) {
  require_namespaced(step);
  run_in(step.netns, [&] { write_sysctl(step.key, step.value); });
}

void LinuxKernel::apply_once(const SetHostSysctl& step) {
  write_sysctl(step.key, step.value);
}

void LinuxKernel::apply_once(const AddElements& step) {
  for (const Element& element : step.elements)
    for (const ElementField& field : element.value)
      if (const auto* address = std::get_if<ipam::Address>(&field)) flows_.finish(*address);
  nft_.add(step.elements);
}

void LinuxKernel::apply_once(const RedirectDns& step) {
  run_in(step.netns, [&] { redirect_dns(step.port); });
}

void LinuxKernel::apply_once(const AdmitForwarding& step) {
  admit_forwarding(step.link);
}

void LinuxKernel::revert_once(const AdmitForwarding& step) {
  withdraw_forwarding(step.link);
}

void LinuxKernel::revert_once(const PinNamespace& step) {
  namespaces_.drop(step.path);
  unpin(step.path);
}

void LinuxKernel::revert_once(const CreateBridge& step) {
  bury(step.index, step.name, step.mac, Reaper::Kind::bridge);
}

void LinuxKernel::revert_once(const CreateVeth& step) {
  advertiser_.withdraw(step.peer_mac);
  if (!bury(step.index, step.name, step.mac, Reaper::Kind::link))
    return;  // the ends of a veth live and die together
  if (step.peer_index == 0) return;
  if (RtnlSocket* const inside = find_rtnl(step.netns)) set_down(*inside, step.peer_index);
}

/// One that netd made with another index is known by its alias.
void LinuxKernel::revert_once(const CreateVxlan& step) {
  if (bury(step.index, step.name, step.mac, Reaper::Kind::link)) return;
  const auto other = read_vxlan(host_, step.name);
  if (other && other->alias.starts_with("netd:"))
    bury(other->index, step.name, step.mac, Reaper::Kind::link);
}

void LinuxKernel::revert_once(const AddAddress& step) {
  if (RtnlSocket* const socket = find_rtnl(step.netns)) remove_address(*socket, step);
}

void LinuxKernel::revert_once(const AddRoute& step) {
  if (RtnlSocket* const socket = find_rtnl(step.netns)) remove_route(*socket, step);
}

void LinuxKernel::revert_once(const AddElements& step) {
  nft_.erase(step.elements);
}

void LinuxKernel::revert_once(const RedirectDns& step) {
  if (step.netns.empty() || find_rtnl(step.netns)) run_in(step.netns, remove_dns_redirect);
}

std::optional<LinkFacts> LinuxKernel::find_link(const Netns& netns, const std::string& name) {
  RtnlSocket* const socket = find_rtnl(netns);
  if (!socket) return std::nullopt;
  auto link = sandbox::find_link(*socket, name);
  if (!link || link->dying()) return std::nullopt;
  link->facts.addresses = list_addresses(*socket, link->facts.index);
  return std::move(link->facts);
}

std::optional<Vxlan> LinuxKernel::find_vxlan(const std::string& name) {
  const auto link = sandbox::find_link(host_, name);
  return link && !link->dying() ? read_vxlan(host_, name) : std::nullopt;
}

std::vector<std::string> LinuxKernel::link_names(const Netns& netns) {
  std::vector<std::string> names;
  RtnlSocket* const socket = find_rtnl(netns);
  if (!socket) return names;
  for (Link& link : list_links(*socket)) {
    if (!link.dying()) names.push_back(std::move(link.facts.name));
  }
  return names;
}

std::vector<ipam::Prefix> LinuxKernel::on_link_routes() {
  return list_on_link_routes(host_);
}

std::optional<std::string> LinuxKernel::read_sysctl(const Netns& netns, const std::string& key) {
  if (!netns.empty() && !namespaces_.find(netns)) return std::nullopt;
  std::optional<std::string> value;
  run_in(netns, [&] { value = sandbox::read_sysctl(key); });
  return value;
}

bool LinuxKernel::is_pinned(const std::string& path) {
  return sandbox::is_pinned(path);
}

bool LinuxKernel::is_namespace(const std::string& path, const Netns& netns) {
  return sandbox::is_same_netns(path, netns.empty() ? "/proc/thread-self/ns/net" : netns);
}

void LinuxKernel::replace_firewall(const std::vector<Element>& elements) {
  nft_.replace(elements);
}

void LinuxKernel::remove_firewall() {
  nft_.remove();
}

void LinuxKernel::forget_flows(const std::vector<ipam::Address>& addresses,
                               const std::vector<Element>& ports) {
  flows_.forget(addresses, ports);
  // A port that is published now gets flows that must stay: look before there are any.
  if (addresses.empty()) flows_.drain();
}

void LinuxKernel::sweep(const Netns& netns) {
  RtnlSocket* const rtnl = find_rtnl(netns);
  if (!rtnl || netns.empty()) return;
  for (const Link& link : list_links(*rtnl))
    if (link.dying())
      reaper_.notify_inside(namespaces_.get(netns).fd.duplicate(), link.facts.index);
}

bool LinuxKernel::has_link_kind(const std::string& kind) {
  const auto known = link_kinds_.find(kind);
  if (known != link_kinds_.end()) return known->second;
  return link_kinds_[kind] = sandbox::has_link_kind(host_, kind);
}

std::size_t LinuxKernel::dying_links() {
  return reaper_.waiting();
}

void LinuxKernel::drain() {
  reaper_.drain();
}

void LinuxKernel::advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                            const std::vector<ipam::Address>& addresses, int count,
                            int interval_ms) {
  advertiser_.advertise(bridge_index, mac, addresses, count,
                        std::chrono::milliseconds(interval_ms));
}

RtnlSocket& LinuxKernel::rtnl(const Netns& netns) {
  return netns.empty() ? host_ : namespaces_.get(netns).rtnl;
}

RtnlSocket* LinuxKernel::find_rtnl(const Netns& netns) {
  if (netns.empty()) return &host_;
  OpenNetns* const found = namespaces_.find(netns);
  return found ? &found->rtnl : nullptr;
}

bool LinuxKernel::bury(std::uint32_t index, const std::string& name, const ipam::Mac& mac,
                       Reaper::Kind kind) {
  const auto link = sandbox::find_link(host_, index);
  if (!link || (link->facts.name != name && link->facts.mac != mac)) return false;
  // It is dying already when this revert is the second try; telling the reaper twice is harmless.
  if (!link->dying() && !mark_dying(host_, index)) return false;
  reaper_.notify(index, kind);
  return true;
}

void LinuxKernel::run_in(const Netns& netns, const std::function<void()>& body) {
  if (netns.empty()) {
    body();
  } else {
    run_in_netns(namespaces_.get(netns).fd.get(), body);
  }
}

}  // namespace sandbox
