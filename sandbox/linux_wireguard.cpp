#include "sandbox/linux_wireguard.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "sandbox/addresses.h"
#include "sandbox/links.h"
#include "sandbox/udp_holder.h"
#include "sandbox/wireguard_netlink.h"
#include "sandbox/wireguard_program.h"
#include "sandbox/wireguard_text.h"

namespace sandbox {
namespace {

constexpr const char* alias = "netd:wireguard";
constexpr std::uint32_t last_resort = 0xfffffffe;  // the metric of a route that all others precede

template <class Act>
void unless_there(const Act& act) {
  try {
    act();
  } catch (const std::system_error& error) {
    if (error.code().value() != EEXIST) throw;
  }
}

AddRoute black_hole(const ipam::Prefix& inside) {
  return {.netns = "",
          .destination = inside.masked(),
          .gateway = {},
          .index = 0,
          .metric = last_resort,
          .type = "blackhole"};
}

}  // namespace

std::optional<LinuxWireguard::Found> LinuxWireguard::find(const std::string& name) {
  const auto link = find_link(rtnl_, name);
  if (!link) return std::nullopt;
  const LinkFacts& facts = link->facts;
  if (facts.kind == "wireguard") return Found{Kind::kernel, facts.index};
  if (facts.kind == "tun") return Found{Kind::program, facts.index};
  throw std::runtime_error(
      fmt::format("link {} is of kind {} and not netd's: rename it, netd needs the name", name,
                  facts.kind.empty() ? "none" : facts.kind));
}

LinuxWireguard::Found LinuxWireguard::require(const std::string& name) {
  if (const auto found = find(name)) return *found;
  throw std::system_error(ENODEV, std::system_category(), "find WireGuard link " + name);
}

void LinuxWireguard::create(const std::string& name) {
  try {
    RtnlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.append(ifinfomsg{});
    message.put(IFLA_IFNAME, name);
    message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, std::string("wireguard")); });
    rtnl_.request(message, "create WireGuard link " + name);
  } catch (const std::system_error& error) {
    if (error.code().value() != EOPNOTSUPP) throw;
    wireguard_program::start(name);
  }
}

/// Its address, its size, and the black hole, which is there first.
void LinuxWireguard::place(const WireguardLink& link, std::uint32_t index) {
  unless_there([&] { add_route(rtnl_, black_hole(link.inside)); });
  const auto facts = find_link(rtnl_, index);
  if (facts && (facts->facts.alias != alias || facts->facts.mtu != link.mtu))
    set_link(rtnl_, SetLink{.netns = "", .index = index, .alias = alias, .mtu = link.mtu});
  bool has_address = false;
  for (const ipam::Prefix& address : list_addresses(rtnl_, index)) {
    if (address == link.inside)
      has_address = true;
    else if (address.address.is_v4())
      remove_address(rtnl_, {.netns = "", .index = index, .address = address});
  }
  if (!has_address)
    unless_there(
        [&] { add_address(rtnl_, {.netns = "", .index = index, .address = link.inside}); });
  if (facts && !facts->facts.up)
    set_link(rtnl_, SetLink{.netns = "", .index = index, .ipv6_link_local = false, .up = true});
}

void LinuxWireguard::configure(const WireguardLink& link, const Found& found) {
  const std::string act = "configure WireGuard link " + link.name;
  if (found.kind == Kind::kernel)
    return wireguard_netlink::set_link(link.name, link.private_key, link.port);
  wireguard_text::check_answer(
      wireguard_program::ask(link.name, wireguard_text::set_link(link.private_key, link.port), act),
      act);
}

std::string LinuxWireguard::problem() {
  return wireguard_netlink::is_there() ? "" : wireguard_program::problem();
}

std::uint32_t LinuxWireguard::make(const WireguardLink& link) {
  if (!find(link.name)) create(link.name);
  const Found found = require(link.name);
  try {
    const auto facts = read(link.name);
    if (!facts || facts->private_key != link.private_key || facts->port != link.port)
      configure(link, found);
    place(link, found.index);
  } catch (const std::system_error& error) {
    // wireguard-go says so when it is told the port, the kernel when the link comes up.
    if (error.code().value() != EADDRINUSE) throw;
    const std::string holder = find_udp_holder(link.port);
    throw std::system_error(
        error.code(),
        fmt::format("UDP port {} for encrypted tunnels is taken by {}: stop that, or give this "
                    "host another one (--wireguard-port)",
                    link.port, holder.empty() ? "somebody who wasn't found" : holder));
  }
  return found.index;
}

std::optional<WireguardFacts> LinuxWireguard::read(const std::string& name) {
  const auto found = find(name);
  if (!found) return std::nullopt;
  WireguardFacts facts = found->kind == Kind::kernel
                             ? wireguard_netlink::read(name)
                             : wireguard_text::parse_facts(wireguard_program::ask(
                                   name, "get=1\n\n", "ask wireguard-go of " + name));
  facts.index = found->index;
  return facts;
}

void LinuxWireguard::put(const std::string& name, const WireguardKey& key,
                         const WireguardPeer& peer) {
  if (require(name).kind == Kind::kernel) return wireguard_netlink::put_peer(name, key, peer);
  const std::string act = "add a peer to WireGuard link " + name;
  wireguard_text::check_answer(
      wireguard_program::ask(name, wireguard_text::put_peer(key, peer), act), act);
}

void LinuxWireguard::erase(const std::string& name, const WireguardKey& key) {
  const auto found = find(name);
  if (!found) return;
  if (found->kind == Kind::kernel) return wireguard_netlink::erase_peer(name, key);
  const std::string act = "remove a peer of WireGuard link " + name;
  wireguard_text::check_answer(wireguard_program::ask(name, wireguard_text::erase_peer(key), act),
                               act);
}

void LinuxWireguard::remove(const std::string& name, const ipam::Prefix& inside) {
  if (const auto found = find(name)) delete_link(rtnl_, found->index);
  remove_route(rtnl_, black_hole(inside));
}

}  // namespace sandbox
