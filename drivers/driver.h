// A driver is the policy of one network type: pure functions from what is wanted to a plan.
// It reads nothing and changes nothing; what it must know of the world comes in as values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address.h"
#include "sandbox/plan.h"

namespace drivers {

using Options = std::map<std::string, std::string>;

/// One subnet of a network as allocated (never "to be chosen").
struct Pool {
  ipam::Prefix subnet;
  std::optional<ipam::Address> gateway;  // the bridge's address, or the router's
  std::optional<ipam::Prefix> range;     // --ip-range
  std::map<std::string, ipam::Address> auxiliary;
};

/// The host's own way into a network whose parent link keeps host and containers apart.
struct HostAccess {
  std::string link;
  std::uint32_t index = 0;
  ipam::Mac mac;
  std::vector<ipam::Address> addresses;       // of that link, from the network's subnets
  std::vector<ipam::Address> host_addresses;  // the parent's: containers reach them this way
  friend bool operator==(const HostAccess&, const HostAccess&) = default;
};

/// The link that the endpoints of a macvlan or ipvlan network are stacked on, as the controller
/// found it (a user's, or another network's) or is to make it.
struct Parent {
  std::string kind;  // of one that netd makes: "vlan", "dummy", or "veth" where there is no dummy
  std::uint32_t base = 0;  // vlan: the index of the link that it is of
  std::uint16_t vlan = 0;  // vlan: its id
  std::uint32_t peer = 0;  // veth: the index of the other end
  std::uint32_t mtu = 0;   // of one that was found
  std::optional<HostAccess> host_access;
  friend bool operator==(const Parent&, const Parent&) = default;
};

/// The tunnel of an overlay network on this host. The cluster gives VNI, port and MTU, which are
/// the same on all hosts; names, index and MAC address are the controller's.
struct Tunnel {
  std::string link;
  std::uint32_t index = 0;
  ipam::Mac mac;
  std::uint32_t vni = 0;
  std::uint16_t port = 0;
  ipam::Address local;    // this host's tunnel address
  std::uint32_t mtu = 0;  // of the network: what containers may send
  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};

/// A network as its driver sees it.
struct Network {
  std::string id;    // 64 hex digits
  std::string name;  // unique
  std::string driver = "bridge";
  bool ipv4 = true;
  bool ipv6 = false;
  bool internal = false;
  bool beside_engine = false;  // made by a container engine, whose firewall must let it through
  bool leased = false;         // a DHCP server gives out the addresses: no pools
  Options options;             // -o, as the user gave them
  std::vector<Pool> pools;
  std::string link_name;         // chosen by the controller from Driver::link_name; empty = no link
  std::uint32_t link_index = 0;  // chosen by the controller
  ipam::Mac link_mac;
  bool adopted_link =
      false;  // the link was there before (a user's bridge): never created or deleted
  std::set<ipam::Prefix> adopted_addresses;  // that it had: never added or deleted
  std::optional<Parent> parent;              // of macvlan and ipvlan networks: `link_name` is it
  std::optional<Tunnel> tunnel;              // of overlay networks: `link_name` is its bridge
  std::uint32_t vrf_index = 0;               // of the VRF that the bridge is in; 0 = none
};

/// One published port, resolved. `host_port` 0: not mapped, only opened (a routed network).
struct Port {
  sandbox::Protocol protocol = sandbox::Protocol::tcp;
  std::uint16_t container_port = 0;
  ipam::Address host_address;  // 0.0.0.0 or :: = every address of that family
  std::uint16_t host_port = 0;
  friend bool operator==(const Port&, const Port&) = default;
};

/// A route that an endpoint brings into its sandbox, through its link.
struct StaticRoute {
  ipam::Prefix destination;
  std::optional<ipam::Address> next_hop;  // absent: on the link itself
  std::uint32_t metric = 0;               // 0 = the kernel's
  std::string type;  // empty: unicast; blackhole, unreachable, prohibit: leads nowhere
  friend bool operator==(const StaticRoute&, const StaticRoute&) = default;
};

/// What a remote driver answered to Join (libnetwork.md 2.4).
struct Joined {
  std::string source_link;  // in the host's namespace; empty = nothing to move
  std::optional<ipam::Address> gateway4;
  std::optional<ipam::Address> gateway6;
  std::vector<StaticRoute> routes;
};

/// What a DHCP server said besides the address.
struct Learned {
  std::optional<ipam::Address> gateway;
  std::vector<StaticRoute> routes;
};

/// An attachment of a sandbox to a network.
struct Endpoint {
  std::string id;  // 64 hex digits
  std::string host_link;
  std::string sandbox_link;  // the name in the sandbox: eth0
  std::uint32_t host_index = 0;
  std::uint32_t sandbox_index = 0;
  ipam::Mac host_mac;
  ipam::Mac mac;
  std::optional<ipam::Prefix> ipv4;
  std::optional<ipam::Prefix> ipv6;
  std::vector<ipam::Prefix> link_local;
  Options options;                 // --driver-opt
  std::vector<Port> ports;         // published through this endpoint (it is the sandbox's gateway)
  std::optional<Joined> joined;    // of remote drivers only
  std::optional<Learned> learned;  // of networks whose addresses are leased
};

/// A container's network stack.
struct Sandbox {
  std::string id;
  sandbox::Netns netns;  // the pinned path
  /// A container engine moves the link into the container, names it, and gives it its addresses:
  /// plans only make the link, where the engine looks for it (`netns` empty: in netd's namespace).
  bool handed_over = false;
};

struct DefaultRoute {
  std::optional<ipam::Address> gateway;  // nothing: everything is on the link
  std::uint32_t link_index = 0;
  std::uint32_t metric = 0;  // 0 = the kernel's
};

/// What a network type is, apart from its plans.
struct Traits {
  bool has_links = true;         // endpoints have interfaces and addresses
  bool has_host_link = true;     // … whose other end is in the host's namespace
  bool has_mac = true;           // … with MAC addresses of their own
  bool on_parent = false;        // the network's link is a parent, which networks may share
  bool allocates = true;         // the network has subnets
  bool single_instance = false;  // host, null
  bool gateway_on_host = true;   // the gateway address is reserved for the host (bridge)
  bool publishes = true;         // ports can be published
  std::size_t max_pools_per_family = SIZE_MAX;
};

class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string_view name() const = 0;
  virtual Traits traits() const = 0;

  /// Refuses malformed options, before anything is allocated. Throws std::invalid_argument.
  virtual void check_options(const Network&) const {}
  /// Refuses options and addresses this driver can't do: throws std::invalid_argument (400) or
  /// Refused (403). Returns warnings for the user (unknown options with the nearest known key).
  virtual std::vector<std::string> check_network(const Network& network) const = 0;
  /// The same for one attachment's options.
  virtual std::vector<std::string> check_endpoint(const Network& network,
                                                  const Endpoint& endpoint) const = 0;

  /// Why two networks can't be on one parent; empty = they can. Of drivers on a parent.
  virtual std::string no_sharing(const Network&, const Network& /*other*/) const { return {}; }

  /// The link a network of this driver wants ("br-<12 hex>"); empty = none.
  virtual std::string link_name(const Network& network) const = 0;
  /// "eth", or what the network's options say.
  virtual std::string interface_prefix(const Network& network) const;
  /// The MAC address of an endpoint that nobody chose one for; nothing: any.
  virtual std::optional<ipam::Mac> default_mac(const Endpoint&) const { return std::nullopt; }
  /// False: no address for the gateway is taken from the pool (libnetwork.md 1.2).
  virtual bool wants_gateway(const Network& network, ipam::Family family) const = 0;
  /// The default gateway that the endpoint gets; nothing on internal networks.
  virtual std::optional<ipam::Address> gateway(const Network& network, const Endpoint& endpoint,
                                               ipam::Family family) const = 0;

  /// The default route that the endpoint gives its sandbox: what the driver offers, as the
  /// network's options want it (docs/drivers/common.md).
  std::optional<DefaultRoute> default_route(const Network& network, const Endpoint& endpoint,
                                            ipam::Family family) const;
  /// Further routes of the endpoint, those on the link first, as the others' next hops may need
  /// them. Unless a driver has more: those of the network's options.
  virtual std::vector<StaticRoute> routes(const Network& network, const Endpoint& endpoint) const;

  /// Where netd's DNS server listens for the whole network, an address of the network's link;
  /// nothing: only in the sandboxes.
  virtual std::optional<ipam::Address> dns_address(const Network&) const { return std::nullopt; }

  /// Why the network takes no more than its `endpoints`; empty = it does.
  virtual std::string full(const Network&, std::size_t /*endpoints*/) const { return {}; }

  /// False: ports are not published on that network.
  virtual bool publishes(const Network&) const { return traits().publishes; }
  /// False: published ports take no port of the host (routed networks).
  virtual bool maps_ports(const Network&, ipam::Family) const { return traits().publishes; }

  virtual sandbox::Plan network_plan(const Network& network) const = 0;
  virtual sandbox::Plan endpoint_plan(const Network& network, const Endpoint& endpoint,
                                      const Sandbox& sandbox) const = 0;

 protected:
  /// Unless a driver knows better: through the gateway.
  virtual std::optional<DefaultRoute> offered_route(const Network& network,
                                                    const Endpoint& endpoint,
                                                    ipam::Family family) const;
};

/// Forbidden by the network's type: 403.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace drivers
