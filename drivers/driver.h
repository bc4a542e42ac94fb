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

/// A network as its driver sees it.
struct Network {
  std::string id;    // 64 hex digits
  std::string name;  // unique
  std::string driver = "bridge";
  bool ipv4 = true;
  bool ipv6 = false;
  bool internal = false;
  bool beside_engine = false;  // made by a container engine, whose firewall must let it through
  Options options;             // -o, as the user gave them
  std::vector<Pool> pools;
  std::string link_name;         // chosen by the controller from Driver::link_name; empty = no link
  std::uint32_t link_index = 0;  // chosen by the controller
  ipam::Mac link_mac;
  bool adopted_link =
      false;  // the link was there before (a user's bridge): never created or deleted
  std::set<ipam::Prefix> adopted_addresses;  // that it had: never added or deleted
};

/// One published port, resolved. `host_port` 0: not mapped, only opened (a routed network).
struct Port {
  sandbox::Protocol protocol = sandbox::Protocol::tcp;
  std::uint16_t container_port = 0;
  ipam::Address host_address;  // 0.0.0.0 or :: = every address of that family
  std::uint16_t host_port = 0;
  friend bool operator==(const Port&, const Port&) = default;
};

/// What a remote driver answered to Join (libnetwork.md 2.4).
struct Joined {
  struct StaticRoute {
    ipam::Prefix destination;
    std::optional<ipam::Address> next_hop;  // absent: on the link itself
  };
  std::string source_link;  // in the host's namespace; empty = nothing to move
  std::optional<ipam::Address> gateway4;
  std::optional<ipam::Address> gateway6;
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
  Options options;               // --driver-opt
  std::vector<Port> ports;       // published through this endpoint (it is the sandbox's gateway)
  std::optional<Joined> joined;  // of remote drivers only
};

/// A container's network stack.
struct Sandbox {
  std::string id;
  sandbox::Netns netns;  // the pinned path
  /// A container engine moves the link into the container, names it, and gives it its addresses:
  /// plans only make the link, where the engine looks for it (`netns` empty: in netd's namespace).
  bool handed_over = false;
};

/// What a network type is, apart from its plans.
struct Traits {
  bool has_links = true;         // endpoints have interfaces and addresses
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

  /// The link a network of this driver wants ("br-<12 hex>"); empty = none.
  virtual std::string link_name(const Network& network) const = 0;
  /// "eth", or what the network's options say.
  virtual std::string interface_prefix(const Network& network) const;
  /// False: no address for the gateway is taken from the pool (libnetwork.md 1.2).
  virtual bool wants_gateway(const Network& network, ipam::Family family) const = 0;
  /// The default gateway that the endpoint gets; nothing on internal networks.
  virtual std::optional<ipam::Address> gateway(const Network& network, const Endpoint& endpoint,
                                               ipam::Family family) const = 0;

  /// Where netd's DNS server listens for the whole network, an address of the network's link;
  /// nothing: only in the sandboxes.
  virtual std::optional<ipam::Address> dns_address(const Network&) const { return std::nullopt; }

  /// False: published ports take no port of the host (routed networks).
  virtual bool maps_ports(const Network&, ipam::Family) const { return traits().publishes; }

  virtual sandbox::Plan network_plan(const Network& network) const = 0;
  virtual sandbox::Plan endpoint_plan(const Network& network, const Endpoint& endpoint,
                                      const Sandbox& sandbox) const = 0;
};

/// Forbidden by the network's type: 403.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace drivers
