// A plan is data: the kernel requests that make one object (network, endpoint, sandbox).
// Drivers return plans, records store them, `transition` (transition.h) carries them out.
//
// Each step is exactly one kernel request. Three kinds:
//   create       its inverse deletes what it made
//   set          only on what the same plan created, so it has no inverse
//   host-global  permanent until `system purge` (ip_forward)
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipam/address.h"

namespace sandbox {

/// Where a step acts: the path of a pinned network namespace; empty = netd's own ("host").
using Netns = std::string;

/// create: pin a network namespace at `path` (bind mount). `source` empty = a new namespace,
/// else the path of the one to adopt (/proc/PID/ns/net, /run/netns/X, another sandbox's pin).
struct PinNamespace {
  std::string path;
  std::string source;
  friend bool operator==(const PinNamespace&, const PinNamespace&) = default;
};

/// create: a bridge, down. `mtu` 0 = the kernel's default. The kernel forgets it with the bridge's
/// last port (br_mtu_auto_adjust, net/bridge/br_if.c); the one of SetLink stays.
struct CreateBridge {
  std::string name;
  std::uint32_t index = 0;
  ipam::Mac mac;
  std::uint32_t mtu = 0;
  std::uint16_t vlan = 0;  // not 0: VLANs are told apart, and this one is its ports' and its own
  /// Neither snoops on multicast, which goes to all ports, nor gives ports a VLAN: with one, each
  /// entry of a port would be two (fdb_add_entry for each of the port's VLANs,
  /// net/bridge/br_fdb.c).
  bool bare = false;
  friend bool operator==(const CreateBridge&, const CreateBridge&) = default;
};

/// create: a veth pair, both ends down, the peer born in `netns`. `mtu` 0 = the kernel's default;
/// so is `peer_index` 0, for a peer that no later step names.
struct CreateVeth {
  std::string name;
  std::uint32_t index = 0;
  ipam::Mac mac;
  Netns netns;
  std::string peer_name;
  std::uint32_t peer_index = 0;
  ipam::Mac peer_mac;
  std::uint32_t mtu = 0;
  friend bool operator==(const CreateVeth&, const CreateVeth&) = default;
};

/// create: a link of one piece, down, born in `netns`. `kind` is the kernel's (IFLA_INFO_KIND,
/// linux/if_link.h):
///   dummy    reaches nothing
///   vlan     802.1Q id `vlan` on `parent`
///   macvlan  on `parent`, `mode` bridge, private, vepa, passthru or source (from `sources` only)
///   ipvlan   on `parent`, `mode` l2, l3 or l3s, `flag` bridge, private or vepa
/// `parent` is an index in the host's namespace. A zero `mac` is the kernel's choice, `mtu` 0 the
/// parent's.
struct CreateLink {
  std::string kind;
  std::string name;
  std::uint32_t index = 0;  // 0: the kernel's choice, for a link that no later step names
  ipam::Mac mac;
  Netns netns;
  std::uint32_t parent = 0;
  std::uint32_t mtu = 0;
  std::uint16_t vlan = 0;
  std::string mode;
  std::string flag;
  std::vector<ipam::Mac> sources;
  friend bool operator==(const CreateLink&, const CreateLink&) = default;
};

/// create: the tunnel of one overlay network, down, in the host's namespace. What is fixed: static
/// entries only (nolearning), TTL 64, DF never set on outer packets (a path with a smaller MTU
/// costs fragments, not silence), no outer UDP checksum on IPv4 (offloads get it wrong), and always
/// one on IPv6 (RFC 8200 8.1). `local` also says which family the outer packets are of.
struct CreateVxlan {
  std::string name;
  std::uint32_t index = 0;
  ipam::Mac mac;
  std::uint32_t mtu = 0;
  std::uint32_t vni = 0;
  std::uint16_t port = 0;
  ipam::Address local;
  friend bool operator==(const CreateVxlan&, const CreateVxlan&) = default;
};

/// create: an existing link `name` of the host namespace goes into `netns`, down, as `new_name`
/// with `index`. Its inverse gives it back under its old name; a link that is gone by then is done.
struct MoveLink {
  std::string name;
  Netns netns;
  std::string new_name;
  std::uint32_t index = 0;
  friend bool operator==(const MoveLink&, const MoveLink&) = default;
};

/// set: attributes of a link; what is absent stays as it is. `ipv6_link_local` false sets
/// addr_gen_mode none (linux/if_link.h), before the link comes up.
struct SetLink {
  Netns netns;
  std::uint32_t index = 0;
  std::optional<std::string> alias;
  std::optional<ipam::Mac> mac;
  std::optional<std::uint32_t> master;
  std::optional<std::uint32_t> mtu;
  std::optional<bool> ipv6_link_local;
  std::optional<bool> up;
  friend bool operator==(const SetLink&, const SetLink&) = default;
};

/// set: flags of a bridge port in the host namespace (IFLA_BRPORT_*), and the VLAN that its frames
/// without a tag are of (PVID, untagged; 0 = the bridge's default).
struct SetBridgePort {
  std::uint32_t index = 0;
  bool isolated = false;
  bool hairpin = false;
  std::uint16_t vlan = 0;
  bool no_learning = false;
  bool locked = false;               // takes frames only from addresses with an entry on it
  bool suppress_neighbours = false;  // ARP and ND for known neighbours are answered, not sent out
  bool no_flood = false;             // of unknown destinations, multicast and broadcast
  friend bool operator==(const SetBridgePort&, const SetBridgePort&) = default;
};

/// create: the bridge of port `index` sends frames for `mac` there, for good (static). Where it has
/// an entry for that address on another port, the entry moves: who is here is here.
struct AddFdbEntry {
  std::uint32_t index = 0;
  ipam::Mac mac;
  friend bool operator==(const AddFdbEntry&, const AddFdbEntry&) = default;
};

/// create: an address on a link, without duplicate address detection.
struct AddAddress {
  Netns netns;
  std::uint32_t index = 0;
  ipam::Prefix address;
  friend bool operator==(const AddAddress&, const AddAddress&) = default;
};

/// create: a route in the main table. Without `gateway` it is on-link. `metric` 0 = the kernel's
/// default. `type` empty is a unicast route; blackhole, unreachable and prohibit lead nowhere
/// (rtnetlink(7)) and have neither gateway nor link.
struct AddRoute {
  Netns netns;
  ipam::Prefix destination;
  std::optional<ipam::Address> gateway;
  std::uint32_t index = 0;
  std::uint32_t metric = 0;
  std::string type;
  friend bool operator==(const AddRoute&, const AddRoute&) = default;
};

/// set: /proc/sys/<key with '/' for '.'> in `netns`. A key's interface part may hold dots, so
/// `key` is already the path below /proc/sys: "net/ipv6/conf/eth0/accept_ra".
struct SetSysctl {
  Netns netns;
  std::string key;
  std::string value;
  friend bool operator==(const SetSysctl&, const SetSysctl&) = default;
};

/// host-global: as SetSysctl, in the host namespace.
struct SetHostSysctl {
  std::string key;
  std::string value;
  friend bool operator==(const SetHostSysctl&, const SetHostSysctl&) = default;
};

/// Fields of a key or value in netd's nft sets and maps (docs/nftables.md).
struct LinkIndex {
  std::uint32_t index = 0;
  friend bool operator==(const LinkIndex&, const LinkIndex&) = default;
};
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };
struct PortNumber {
  std::uint16_t number = 0;
  friend bool operator==(const PortNumber&, const PortNumber&) = default;
};
using ElementField = std::variant<LinkIndex, Protocol, PortNumber, ipam::Address>;

/// One element of a set (no value) or map of table `inet netd`.
struct Element {
  std::string set;
  std::vector<ElementField> key;
  std::vector<ElementField> value;
  friend bool operator==(const Element&, const Element&) = default;
};

/// create: elements of netd's table, one nft batch.
struct AddElements {
  std::vector<Element> elements;
  friend bool operator==(const AddElements&, const AddElements&) = default;
};

/// create: the table that rewrites 127.0.0.11:53 to `port` and back, statelessly, in `netns`.
struct RedirectDns {
  Netns netns;
  std::uint16_t port = 0;
  friend bool operator==(const RedirectDns&, const RedirectDns&) = default;
};

/// create: lets what comes from the link and goes to it through the iptables chain FORWARD, whose
/// policy Docker sets to drop (iptables_forward.h). Nothing is made where Docker has no rules;
/// applying it again makes what is missing, so it is never refused as existing.
struct AdmitForwarding {
  std::string link;
  friend bool operator==(const AdmitForwarding&, const AdmitForwarding&) = default;
};

using Step = std::variant<PinNamespace, CreateBridge, CreateVeth, SetLink, SetBridgePort,
                          AddAddress, AddRoute, SetSysctl, SetHostSysctl, AddElements, RedirectDns,
                          AdmitForwarding, MoveLink, CreateLink, CreateVxlan, AddFdbEntry>;
using Plan = std::vector<Step>;

/// One line, no newline: "veth nv3f2a91 index 268435457 … peer eth0 index … in
/// /run/netd/netns/web".
std::string to_text(const Step& step);
/// One line a step, each ended by a newline. Golden tests and dry runs print this.
std::string to_text(const Plan& plan);
/// Key and value without the set's name: "tcp . 8080 : 10.5.0.2 . 80"
std::string to_text(const Element& element);
/// "tcp", "udp", "sctp"
std::string_view to_text(Protocol protocol);

}  // namespace sandbox

/// `json = plan;` and `json.get<sandbox::Plan>()`. Plan is a std::vector of a std::variant, where
/// argument-dependent lookup would not find functions in namespace sandbox; hence the
/// specialisation. The form is compact, one object a step, absent = the default:
///   {"do":"veth","name":"nv3f2a91","index":268435457,…}
template <>
struct nlohmann::adl_serializer<sandbox::Plan, void> {
  static void to_json(nlohmann::json& json, const sandbox::Plan& plan);
  /// Throws std::invalid_argument that names the step and key: "plan step 2 (veth): mtu: expected a
  /// whole number up to 4294967295". Unknown steps and keys are refused: a plan that is understood
  /// by half would be undone by half.
  static void from_json(const nlohmann::json& json, sandbox::Plan& plan);
};
