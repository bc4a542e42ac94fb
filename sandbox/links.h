// Requests about links: one function is one rtnetlink request (linux/if_link.h), sent through a
// socket of the namespace where the link is. All throw std::system_error (rtnl.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/kernel.h"
#include "sandbox/plan.h"
#include "sandbox/rtnl.h"

namespace sandbox {

/// Link groups of links that are down and wait for their deletion (reaper.h): "netd" and the next.
constexpr std::uint32_t dying_group = 0x6e657464;
constexpr std::uint32_t reaping_group = 0x6e657465;

/// What a link message says of a link.
struct Link {
  LinkFacts facts;  // without addresses
  std::uint32_t group = 0;
  std::uint32_t lower = 0;   // the other end of a veth, the link that this one stands on; 0: none
  std::uint32_t master = 0;  // the bridge that it is a port of; 0: none
  bool dying() const { return group == dying_group || group == reaping_group; }
};

/// Makes the bridge, down. EEXIST when the name or the index is taken.
void create_bridge(RtnlSocket& rtnl, const CreateBridge& step);
/// Makes both ends, down, the peer in the namespace of descriptor `peer_netns` (-1: here). EEXIST
/// when a name or an index is taken, there or here.
void create_veth(RtnlSocket& rtnl, const CreateVeth& step, int peer_netns);
/// Makes a link of one piece, down, in the namespace of descriptor `netns` (-1: here). EEXIST when
/// name or index is taken, EOPNOTSUPP when the kernel lacks the kind, EBUSY when the parent is
/// used by a kind that shares it with no other, ENODEV when there is no parent. Throws
/// std::invalid_argument for a mode that the kind hasn't.
void create_link(RtnlSocket& rtnl, const CreateLink& step, int netns);
/// Whether the kernel has links of that kind.
bool has_link_kind(RtnlSocket& rtnl, const std::string& kind);
/// The link `index` goes into the namespace of descriptor `netns`, down, as `name` and, unless it
/// is 0, with `new_index`. EEXIST when they are taken there; the link may then be there all the
/// same, under its old name (net/core/rtnetlink.c, do_setlink: first moved, then renamed).
void move_link(RtnlSocket& rtnl, std::uint32_t index, int netns, const std::string& name,
               std::uint32_t new_index = 0);
/// Two requests when a link without IPv6 link-local address comes up, see the source.
void set_link(RtnlSocket& rtnl, const SetLink& step);
void set_bridge_port(RtnlSocket& rtnl, const SetBridgePort& step);

/// Takes the link down; false when there is none with that index.
bool set_down(RtnlSocket& rtnl, std::uint32_t index);
/// Takes the link down and puts it into `dying_group`; false when there is none with that index.
bool mark_dying(RtnlSocket& rtnl, std::uint32_t index);
/// Puts the link into `group`; false when there is none with that index.
bool set_group(RtnlSocket& rtnl, std::uint32_t index, std::uint32_t group);
/// Deletes the links of `group`; none = done. Fails as a whole when one of them can't be deleted.
void delete_group(RtnlSocket& rtnl, std::uint32_t group);
/// Deletes the link; gone = done.
void delete_link(RtnlSocket& rtnl, std::uint32_t index);

std::optional<Link> find_link(RtnlSocket& rtnl, const std::string& name);
std::optional<Link> find_link(RtnlSocket& rtnl, std::uint32_t index);
std::vector<Link> list_links(RtnlSocket& rtnl);

}  // namespace sandbox
