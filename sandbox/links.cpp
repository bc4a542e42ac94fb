#include "sandbox/links.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>

namespace sandbox {
namespace {

constexpr int create_flags = NLM_F_CREATE | NLM_F_EXCL;
constexpr std::uint16_t highest_vlan = 4094;  // IEEE 802.1Q

ifinfomsg link_header(std::uint32_t index) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(index);
  return header;
}

ifinfomsg up_or_down(std::uint32_t index, bool up) {
  ifinfomsg header = link_header(index);
  header.ifi_change = IFF_UP;
  header.ifi_flags = up ? IFF_UP : 0;
  return header;
}

void put_identity(RtnlMessage& message, const std::string& name, const ipam::Mac& mac,
                  std::uint32_t mtu) {
  message.put(IFLA_IFNAME, name);
  message.put(IFLA_ADDRESS, mac);
  if (mtu != 0) message.put_u32(IFLA_MTU, mtu);
}

struct Choice {
  std::string_view name;
  std::uint32_t number;
};

constexpr std::array<Choice, 5> macvlan_modes{{{"bridge", MACVLAN_MODE_BRIDGE},
                                               {"private", MACVLAN_MODE_PRIVATE},
                                               {"vepa", MACVLAN_MODE_VEPA},
                                               {"passthru", MACVLAN_MODE_PASSTHRU},
                                               {"source", MACVLAN_MODE_SOURCE}}};
constexpr std::array<Choice, 3> ipvlan_modes{
    {{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}}};
constexpr std::array<Choice, 3> ipvlan_flags{
    {{"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}}};

std::uint32_t number_of(std::span<const Choice> choices, const std::string& name,
                        const std::string& of) {
  for (const Choice& choice : choices)
    if (choice.name == name) return choice.number;
  throw std::invalid_argument(fmt::format("{}: no mode or flag \"{}\"", of, name));
}

void put_kind(RtnlMessage& message, const CreateLink& step) {
  if (step.kind == "vlan") {
    message.put_u16(IFLA_VLAN_ID, step.vlan);
  } else if (step.kind == "macvlan") {
    message.put_u32(IFLA_MACVLAN_MODE, number_of(macvlan_modes, step.mode, step.kind));
    if (step.sources.empty()) return;
    message.put_u32(IFLA_MACVLAN_MACADDR_MODE, MACVLAN_MACADDR_SET);
    message.nest(IFLA_MACVLAN_MACADDR_DATA, [&] {
      for (const ipam::Mac& source : step.sources)
        message.put(IFLA_MACVLAN_MACADDR, source);
    });
  } else if (step.kind == "ipvlan") {
    message.put_u16(IFLA_IPVLAN_MODE,
                    static_cast<std::uint16_t>(number_of(ipvlan_modes, step.mode, step.kind)));
    message.put_u16(IFLA_IPVLAN_FLAGS,
                    static_cast<std::uint16_t>(number_of(ipvlan_flags, step.flag, step.kind)));
  } else {
    throw std::invalid_argument("no such kind of link: " + step.kind);
  }
}

/// Frames of a port without a tag are of one VLAN, and of no other: what the bridge gave the port
/// when it came in goes first.
void put_port_vlan(RtnlMessage& message, std::uint16_t first, std::uint16_t last) {
  const auto put = [&](std::uint16_t flags, std::uint16_t id) {
    const bridge_vlan_info info{.flags = flags, .vid = id};
    message.put(IFLA_BRIDGE_VLAN_INFO,
                std::span(reinterpret_cast<const std::uint8_t*>(&info), sizeof info));
  };
  message.nest(IFLA_AF_SPEC, [&] {
    if (first == last) return put(BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, first);
    put(BRIDGE_VLAN_INFO_RANGE_BEGIN, first);
    put(BRIDGE_VLAN_INFO_RANGE_END, last);
  });
}

/// Runs a request about the link `index`; false when there is no such link.
bool unless_gone(RtnlSocket& rtnl, RtnlMessage& message, const std::string& act) {
  try {
    rtnl.request(message, act);
    return true;
  } catch (const std::system_error& error) {
    if (error.code().value() == ENODEV) return false;
    throw;
  }
}

/// addr_gen_mode none: the kernel gives the link no fe80:: address when it comes up.
void set_ipv6_link_local(RtnlSocket& rtnl, std::uint32_t index, bool enabled) {
  RtnlMessage message(RTM_NEWLINK);
  message.append(link_header(index));
  message.nest(IFLA_AF_SPEC, [&] {
    message.nest(AF_INET6, [&] {
      message.put_u8(IFLA_INET6_ADDR_GEN_MODE,
                     enabled ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE);
    });
  });
  try {
    rtnl.request(message, fmt::format("set IPv6 address generation of link {}", index));
  } catch (const std::system_error& error) {
    // The link has no IPv6 at all (ipv6.disable=1, MTU below 1280), so no such address either.
    if (enabled || error.code().value() != EAFNOSUPPORT) throw;
  }
}

void read_bridge(nlattr* data, LinkFacts& facts) {
  if (!data) return;
  nlattr* attributes[IFLA_BR_MAX + 1] = {};
  nla_parse_nested(attributes, IFLA_BR_MAX, data, nullptr);
  if (const nlattr* filtering = attributes[IFLA_BR_VLAN_FILTERING])
    facts.vlan_filtering = nla_get_u8(filtering) != 0;
  if (const nlattr* snooping = attributes[IFLA_BR_MCAST_SNOOPING])
    facts.no_snooping = nla_get_u8(snooping) == 0;
}

Link parse_link(nlmsghdr* message) {
  nlattr* attributes[IFLA_MAX + 1] = {};
  nlmsg_parse(message, sizeof(ifinfomsg), attributes, IFLA_MAX, nullptr);
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
  Link link;
  link.facts.index = static_cast<std::uint32_t>(header->ifi_index);
  link.facts.up = (header->ifi_flags & IFF_UP) != 0;
  if (attributes[IFLA_IFNAME]) link.facts.name = nla_get_string(attributes[IFLA_IFNAME]);
  if (attributes[IFLA_IFALIAS]) link.facts.alias = nla_get_string(attributes[IFLA_IFALIAS]);
  if (attributes[IFLA_MTU]) link.facts.mtu = nla_get_u32(attributes[IFLA_MTU]);
  if (attributes[IFLA_GROUP]) link.group = nla_get_u32(attributes[IFLA_GROUP]);
  if (attributes[IFLA_LINK]) link.lower = nla_get_u32(attributes[IFLA_LINK]);
  if (attributes[IFLA_MASTER]) link.master = nla_get_u32(attributes[IFLA_MASTER]);
  if (const nlattr* mac = attributes[IFLA_ADDRESS]; mac && nla_len(mac) == 6) {
    std::memcpy(link.facts.mac.bytes.data(), nla_data(mac), link.facts.mac.bytes.size());
  }
  if (attributes[IFLA_LINKINFO]) {
    nlattr* info[IFLA_INFO_MAX + 1] = {};
    nla_parse_nested(info, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], nullptr);
    if (info[IFLA_INFO_KIND]) link.facts.kind = nla_get_string(info[IFLA_INFO_KIND]);
    if (link.facts.kind == "bridge") read_bridge(info[IFLA_INFO_DATA], link.facts);
  }
  return link;
}

std::optional<Link> find_one(RtnlSocket& rtnl, RtnlMessage& message, const std::string& act) {
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<Link> found;
  try {
    rtnl.query(message, act, [&](nlmsghdr* reply) { found = parse_link(reply); });
  } catch (const std::system_error& error) {
    if (error.code().value() != ENODEV) throw;
  }
  return found;
}

}  // namespace

void create_bridge(RtnlSocket& rtnl, const CreateBridge& step) {
  RtnlMessage message(RTM_NEWLINK, create_flags);
  message.append(link_header(step.index));
  put_identity(message, step.name, step.mac, step.mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, std::string("bridge"));
    if (step.vlan == 0 && !step.bare) return;
    message.nest(IFLA_INFO_DATA, [&] {
      if (step.bare) {
        message.put_u8(IFLA_BR_MCAST_SNOOPING, 0);
        message.put_u16(IFLA_BR_VLAN_DEFAULT_PVID, 0);
      }
      if (step.vlan == 0) return;
      message.put_u8(IFLA_BR_VLAN_FILTERING, 1);
      message.put_u16(IFLA_BR_VLAN_DEFAULT_PVID, step.vlan);
    });
  });
  rtnl.request(message, "create bridge " + step.name);
}

void create_link(RtnlSocket& rtnl, const CreateLink& step, int netns) {
  RtnlMessage message(RTM_NEWLINK, create_flags);
  message.append(link_header(step.index));
  message.put(IFLA_IFNAME, step.name);
  if (step.mac != ipam::Mac{}) message.put(IFLA_ADDRESS, step.mac);
  if (step.mtu != 0) message.put_u32(IFLA_MTU, step.mtu);
  if (step.parent != 0) message.put_u32(IFLA_LINK, step.parent);
  if (netns >= 0) message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, step.kind);
    if (step.kind != "dummy") message.nest(IFLA_INFO_DATA, [&] { put_kind(message, step); });
  });
  rtnl.request(message, fmt::format("create {} {}", step.kind, step.name));
}

/// Nothing can come of this request: no link may have a multicast address, or be without a parent
/// (rtnl_newlink asks the kind's own checks, after it has found the kind).
bool has_link_kind(RtnlSocket& rtnl, const std::string& kind) {
  RtnlMessage message(RTM_NEWLINK, create_flags);
  message.append(link_header(0));
  message.put(IFLA_ADDRESS, ipam::Mac{{0x01, 0, 0, 0, 0, 0}});
  message.nest(IFLA_LINKINFO, [&] { message.put(IFLA_INFO_KIND, kind); });
  try {
    rtnl.request(message, "ask for links of kind " + kind);
  } catch (const std::system_error& error) {
    return error.code().value() != EOPNOTSUPP;
  }
  return true;
}

void create_veth(RtnlSocket& rtnl, const CreateVeth& step, int peer_netns) {
  RtnlMessage message(RTM_NEWLINK, create_flags);
  message.append(link_header(step.index));
  put_identity(message, step.name, step.mac, step.mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, std::string("veth"));
    message.nest(IFLA_INFO_DATA, [&] {
      message.nest(VETH_INFO_PEER, [&] {
        message.append(link_header(step.peer_index));
        put_identity(message, step.peer_name, step.peer_mac, step.mtu);
        if (peer_netns >= 0) {
          message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns));
        }
      });
    });
  });
  rtnl.request(message, fmt::format("create veth {} (peer {})", step.name, step.peer_name));
}

void move_link(RtnlSocket& rtnl, std::uint32_t index, int netns, const std::string& name,
               std::uint32_t new_index) {
  RtnlMessage message(RTM_NEWLINK);
  message.append(up_or_down(index, false));
  message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
  message.put(IFLA_IFNAME, name);
  if (new_index != 0) message.put_u32(IFLA_NEW_IFINDEX, new_index);
  rtnl.request(message, fmt::format("move link {} to {}", index, name));
}

void set_link(RtnlSocket& rtnl, const SetLink& step) {
  // The kernel carries IFLA_AF_SPEC out after the flags, so in one request with "up" the link could
  // get its fe80:: address before it hears that it wants none.
  if (step.ipv6_link_local) set_ipv6_link_local(rtnl, step.index, *step.ipv6_link_local);
  if (!step.alias && !step.mac && !step.master && !step.mtu && !step.up) return;
  RtnlMessage message(RTM_NEWLINK);
  message.append(step.up ? up_or_down(step.index, *step.up) : link_header(step.index));
  if (step.alias) message.put(IFLA_IFALIAS, *step.alias);
  if (step.mac) message.put(IFLA_ADDRESS, *step.mac);
  if (step.master) message.put_u32(IFLA_MASTER, *step.master);
  if (step.mtu) message.put_u32(IFLA_MTU, *step.mtu);
  rtnl.request(message, fmt::format("set link {}", step.index));
}

void set_bridge_port(RtnlSocket& rtnl, const SetBridgePort& step) {
  ifinfomsg header = link_header(step.index);
  header.ifi_family = AF_BRIDGE;
  RtnlMessage message(RTM_SETLINK);
  message.append(header);
  message.nest(IFLA_PROTINFO, [&] {
    message.put_u8(IFLA_BRPORT_ISOLATED, step.isolated);
    message.put_u8(IFLA_BRPORT_MODE, step.hairpin);
    message.put_u8(IFLA_BRPORT_LEARNING, !step.no_learning);
    message.put_u8(IFLA_BRPORT_NEIGH_SUPPRESS, step.suppress_neighbours);
    for (const int flood :
         {IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_BCAST_FLOOD})
      message.put_u8(flood, !step.no_flood);
    message.put_u8(IFLA_BRPORT_LOCKED, step.locked);
  });
  const std::string act = fmt::format("set bridge port {}", step.index);
  if (step.vlan != 0) {
    RtnlMessage none(RTM_DELLINK);
    none.append(header);
    put_port_vlan(none, 1, highest_vlan);
    rtnl.request(none, act);
    put_port_vlan(message, step.vlan, step.vlan);
  }
  rtnl.request(message, act);
}

bool set_down(RtnlSocket& rtnl, std::uint32_t index) {
  RtnlMessage message(RTM_NEWLINK);
  message.append(up_or_down(index, false));
  return unless_gone(rtnl, message, fmt::format("take link {} down", index));
}

bool mark_dying(RtnlSocket& rtnl, std::uint32_t index) {
  RtnlMessage message(RTM_NEWLINK);
  message.append(up_or_down(index, false));
  message.put_u32(IFLA_GROUP, dying_group);
  return unless_gone(rtnl, message, fmt::format("take link {} down", index));
}

bool set_group(RtnlSocket& rtnl, std::uint32_t index, std::uint32_t group) {
  RtnlMessage message(RTM_NEWLINK);
  message.append(link_header(index));
  message.put_u32(IFLA_GROUP, group);
  return unless_gone(rtnl, message, fmt::format("set group of link {}", index));
}

void delete_group(RtnlSocket& rtnl, std::uint32_t group) {
  RtnlMessage message(RTM_DELLINK);
  message.append(link_header(0));
  message.put_u32(IFLA_GROUP, group);
  unless_gone(rtnl, message, fmt::format("delete links of group {}", group));
}

void delete_link(RtnlSocket& rtnl, std::uint32_t index) {
  RtnlMessage message(RTM_DELLINK);
  message.append(link_header(index));
  unless_gone(rtnl, message, fmt::format("delete link {}", index));
}

std::optional<Link> find_link(RtnlSocket& rtnl, const std::string& name) {
  RtnlMessage message(RTM_GETLINK);
  message.append(link_header(0));
  message.put(IFLA_IFNAME, name);
  return find_one(rtnl, message, "find link " + name);
}

std::optional<Link> find_link(RtnlSocket& rtnl, std::uint32_t index) {
  RtnlMessage message(RTM_GETLINK);
  message.append(link_header(index));
  return find_one(rtnl, message, fmt::format("find link {}", index));
}

std::vector<Link> list_links(RtnlSocket& rtnl) {
  RtnlMessage message(RTM_GETLINK);
  message.append(link_header(0));
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<Link> links;
  rtnl.dump(message, "list links", [&](nlmsghdr* reply) { links.push_back(parse_link(reply)); });
  return links;
}

}  // namespace sandbox
