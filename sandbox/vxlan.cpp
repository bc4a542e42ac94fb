#include "sandbox/vxlan.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "sandbox/links.h"
#include "sandbox/udp_holder.h"

namespace sandbox {
namespace {

template <std::size_t size>
void parse(nlattr* nest, nlattr* (&attributes)[size]) {
  if (nest) nla_parse_nested(attributes, static_cast<int>(size) - 1, nest, nullptr);
}

bool is_on(const nlattr* attribute, bool fallback = false) {
  return attribute ? nla_get_u8(attribute) != 0 : fallback;
}

ipam::Address read_address(const nlattr* attribute) {
  if (!attribute) return {};
  return ipam::Address::from_bytes(std::span(static_cast<const std::uint8_t*>(nla_data(attribute)),
                                             static_cast<std::size_t>(nla_len(attribute))))
      .value_or(ipam::Address());
}

void read_tunnel(nlattr* data, Vxlan& vxlan) {
  nlattr* attributes[IFLA_VXLAN_MAX + 1] = {};
  parse(data, attributes);
  if (attributes[IFLA_VXLAN_ID]) vxlan.vni = nla_get_u32(attributes[IFLA_VXLAN_ID]);
  if (attributes[IFLA_VXLAN_PORT]) vxlan.port = ntohs(nla_get_u16(attributes[IFLA_VXLAN_PORT]));
  const nlattr* local6 = attributes[IFLA_VXLAN_LOCAL6];
  vxlan.local = read_address(local6 ? local6 : attributes[IFLA_VXLAN_LOCAL]);
  vxlan.learns = is_on(attributes[IFLA_VXLAN_LEARNING]);
  vxlan.external = is_on(attributes[IFLA_VXLAN_COLLECT_METADATA]);
  vxlan.checksum = vxlan.local.is_v4() && is_on(attributes[IFLA_VXLAN_UDP_CSUM]);
  vxlan.zero_checksum6 = vxlan.local.is_v6() && (is_on(attributes[IFLA_VXLAN_UDP_ZERO_CSUM6_TX]) ||
                                                 is_on(attributes[IFLA_VXLAN_UDP_ZERO_CSUM6_RX]));
  vxlan.ttl = attributes[IFLA_VXLAN_TTL] ? nla_get_u8(attributes[IFLA_VXLAN_TTL]) : 0;
  vxlan.df = attributes[IFLA_VXLAN_DF] ? nla_get_u8(attributes[IFLA_VXLAN_DF]) : 0;
}

void read_port(nlattr* data, SetBridgePort& port) {
  nlattr* attributes[IFLA_BRPORT_MAX + 1] = {};
  parse(data, attributes);
  port.isolated = is_on(attributes[IFLA_BRPORT_ISOLATED]);
  port.hairpin = is_on(attributes[IFLA_BRPORT_MODE]);
  port.no_learning = !is_on(attributes[IFLA_BRPORT_LEARNING], true);
  port.locked = is_on(attributes[IFLA_BRPORT_LOCKED]);
  port.suppress_neighbours = is_on(attributes[IFLA_BRPORT_NEIGH_SUPPRESS]);
  port.no_flood = !is_on(attributes[IFLA_BRPORT_UNICAST_FLOOD], true) &&
                  !is_on(attributes[IFLA_BRPORT_MCAST_FLOOD], true) &&
                  !is_on(attributes[IFLA_BRPORT_BCAST_FLOOD], true);
}

std::optional<Vxlan> parse_vxlan(nlmsghdr* message) {
  nlattr* attributes[IFLA_MAX + 1] = {};
  nlmsg_parse(message, sizeof(ifinfomsg), attributes, IFLA_MAX, nullptr);
  nlattr* info[IFLA_INFO_MAX + 1] = {};
  parse(attributes[IFLA_LINKINFO], info);
  if (!info[IFLA_INFO_KIND] || std::strcmp(nla_get_string(info[IFLA_INFO_KIND]), "vxlan") != 0)
    return std::nullopt;
  const auto* header = static_cast<const ifinfomsg*>(nlmsg_data(message));
  Vxlan vxlan;
  vxlan.index = static_cast<std::uint32_t>(header->ifi_index);
  vxlan.up = (header->ifi_flags & IFF_UP) != 0;
  if (attributes[IFLA_IFNAME]) vxlan.name = nla_get_string(attributes[IFLA_IFNAME]);
  if (attributes[IFLA_IFALIAS]) vxlan.alias = nla_get_string(attributes[IFLA_IFALIAS]);
  if (attributes[IFLA_MTU]) vxlan.mtu = nla_get_u32(attributes[IFLA_MTU]);
  if (attributes[IFLA_MASTER]) vxlan.master = nla_get_u32(attributes[IFLA_MASTER]);
  if (const nlattr* mac = attributes[IFLA_ADDRESS]; mac && nla_len(mac) == 6)
    std::memcpy(vxlan.mac.bytes.data(), nla_data(mac), vxlan.mac.bytes.size());
  read_tunnel(info[IFLA_INFO_DATA], vxlan);
  if (vxlan.master != 0) read_port(info[IFLA_INFO_SLAVE_DATA], vxlan.port_flags);
  vxlan.port_flags.index = vxlan.index;
  return vxlan;
}

std::optional<Vxlan> read_one(RtnlSocket& rtnl, std::uint32_t index, const std::string& name) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(index);
  RtnlMessage message(RTM_GETLINK);
  message.append(header);
  if (index == 0) message.put(IFLA_IFNAME, name);
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<Vxlan> found;
  try {
    rtnl.query(message, "read vxlan " + name, [&](nlmsghdr* reply) { found = parse_vxlan(reply); });
  } catch (const std::system_error& error) {
    if (error.code().value() != ENODEV) throw;
  }
  return found;
}

std::string described(const Vxlan& vxlan) {
  return vxlan.alias.empty() ? vxlan.name : fmt::format("{} ({})", vxlan.name, vxlan.alias);
}

/// Who has the step's name, index or VNI, and what to do.
std::string who_is_in_the_way(RtnlSocket& rtnl, const CreateVxlan& step) {
  if (find_link(rtnl, step.name)) return "a link of that name is there, which is not netd's";
  if (find_link(rtnl, step.index)) return fmt::format("index {} is another link's", step.index);
  for (const Vxlan& other : list_vxlans(rtnl))
    if (other.vni == step.vni && !other.external)
      return fmt::format(
          "VNI {} is that of vxlan link {}: delete that link, or give the network "
          "another VNI",
          step.vni, described(other));
  return fmt::format(
      "VNI {} is that of a vxlan link that was made here and is in another network "
      "namespace now (an engine's overlay network): give the network another VNI",
      step.vni);
}

RtnlMessage fdb_message(int type, int flags, const AddFdbEntry& step) {
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = static_cast<int>(step.index);
  header.ndm_state = NUD_NOARP;  // static: bridge(8), br_fdb.c
  header.ndm_flags = NTF_MASTER;
  RtnlMessage message(type, flags);
  message.append(header);
  message.put(NDA_LLADDR, step.mac);
  return message;
}

std::string fdb_text(const AddFdbEntry& step) {
  return fmt::format("bridge entry {} on link {}", step.mac.to_string(), step.index);
}

}  // namespace

void create_vxlan(RtnlSocket& rtnl, const CreateVxlan& step) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(step.index);
  RtnlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.append(header);
  message.put(IFLA_IFNAME, step.name);
  message.put(IFLA_ADDRESS, step.mac);
  if (step.mtu != 0) message.put_u32(IFLA_MTU, step.mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, std::string("vxlan"));
    message.nest(IFLA_INFO_DATA, [&] {
      message.put_u32(IFLA_VXLAN_ID, step.vni);
      message.put_u16(IFLA_VXLAN_PORT, htons(step.port));
      message.put(step.local.is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, step.local);
      message.put_u8(IFLA_VXLAN_LEARNING, 0);
      message.put_u8(IFLA_VXLAN_TTL, Vxlan{}.ttl);
      message.put_u8(IFLA_VXLAN_DF, Vxlan{}.df);
      message.put_u8(IFLA_VXLAN_UDP_CSUM, 0);
      message.put_u8(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 0);
      message.put_u8(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 0);
    });
  });
  const std::string act = fmt::format("create vxlan {} (VNI {})", step.name, step.vni);
  try {
    rtnl.request(message, act);
  } catch (const std::system_error& error) {
    if (error.code().value() != EEXIST) throw;
    throw std::system_error(error.code(), act + ": " + who_is_in_the_way(rtnl, step));
  }
}

std::optional<Vxlan> read_vxlan(RtnlSocket& rtnl, const std::string& name) {
  return read_one(rtnl, 0, name);
}

std::optional<Vxlan> read_vxlan(RtnlSocket& rtnl, std::uint32_t index) {
  return read_one(rtnl, index, fmt::format("link {}", index));
}

std::vector<Vxlan> list_vxlans(RtnlSocket& rtnl) {
  RtnlMessage message(RTM_GETLINK);
  message.append(ifinfomsg{});
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<Vxlan> all;
  rtnl.dump(message, "list vxlan links", [&](nlmsghdr* reply) {
    if (auto vxlan = parse_vxlan(reply)) all.push_back(std::move(*vxlan));
  });
  return all;
}

std::system_error explain_taken_port(RtnlSocket& rtnl, std::uint32_t index,
                                     const std::system_error& error) {
  const auto own = read_vxlan(rtnl, index);
  if (!own) return error;
  std::string holder = find_udp_holder(own->port);
  // Links of one kind share a socket; one that takes all VNIs shares it with none.
  for (const Vxlan& other : list_vxlans(rtnl))
    if (other.index != index && other.port == own->port && other.up)
      holder = fmt::format("vxlan link {}{}", described(other),
                           other.external ? ", which takes all VNIs" : "");
  return std::system_error(
      error.code(),
      fmt::format("take vxlan {} up: UDP port {} is taken by {}: stop that, or give the cluster "
                  "another VXLAN port",
                  own->name, own->port, holder.empty() ? "somebody who wasn't found" : holder));
}

void add_fdb_entry(RtnlSocket& rtnl, const AddFdbEntry& step) {
  RtnlMessage message = fdb_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, step);
  rtnl.request(message, "add " + fdb_text(step));
}

void remove_fdb_entry(RtnlSocket& rtnl, const AddFdbEntry& step) {
  RtnlMessage message = fdb_message(RTM_DELNEIGH, 0, step);
  try {
    rtnl.request(message, "remove " + fdb_text(step));
  } catch (const std::system_error& error) {
    // ENOENT: no such entry on that port. EINVAL: the link is no bridge port any more.
    const int code = error.code().value();
    if (code != ENOENT && code != ENODEV && code != EINVAL && code != EOPNOTSUPP) throw;
  }
}

}  // namespace sandbox
