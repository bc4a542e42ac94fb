// What netd knows and stores: networks, sandboxes, endpoints. Plain values; the controller owns
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"
#include "drivers/port_mapping.h"
#include "ipam/address.h"
#include "netd/dhcp/lease.h"
#include "sandbox/plan.h"
#include "sandbox/process.h"

namespace netd {

using Labels = std::map<std::string, std::string>;

/// A record is stored before the first kernel change with both plans, and again when it is done:
/// joining -> joined -> leaving -> gone. What a crash leaves is settled at boot (restore.h).
enum class State { joining, joined, leaving };

/// What has been done and what is being done for one object.
struct Progress {
  State state = State::joining;
  sandbox::Plan plan;  // what is in the kernel (joined), or being made or undone
  sandbox::Plan next;  // while a joined object changes: the plan it changes to
};

/// What the user asked of one subnet: `--subnet --gateway --ip-range --aux-address`, unparsed parts
/// absent.
struct PoolRequest {
  std::optional<ipam::Prefix> subnet;
  std::optional<ipam::Address> gateway;
  std::optional<ipam::Prefix> range;
  std::map<std::string, ipam::Address> auxiliary;
};

/// POST /networks/create
struct NetworkSpec {
  std::string name;
  std::string driver;  // empty = bridge
  std::string scope;   // empty = the driver's
  std::optional<bool> ipv4;
  std::optional<bool> ipv6;
  bool internal = false;
  bool attachable = false;
  bool ingress = false;
  bool config_only = false;
  std::string config_from;
  std::string ipam_driver;  // empty = default
  std::map<std::string, std::string> ipam_options;
  std::vector<PoolRequest> pools;
  drivers::Options options;
  Labels labels;
};

/// What a container engine said of a network that it made through the plugin protocol.
struct EngineNetwork {
  std::string api;                 // `-o io.netd.engine`, "unix:///…": where names are asked
  bool foreign_addresses = false;  // the engine's own IPAM gives them out, not netd
  bool named = false;              // by `-o io.netd.name` or the engine's answer, not by its id
};

/// A pool that an IPAM plugin has leased to a network, and the addresses in it that were requested
/// for the network itself: they are given back with it.
struct PoolLease {
  std::string pool_id;
  ipam::Prefix subnet;
  std::vector<ipam::Address> addresses;
};

/// What plugins have to do with a network; all false and empty for netd's own.
struct RemoteNetwork {
  bool driver = false;        // network.driver is a plugin's name
  bool ipam = false;          // ipam_driver is one
  bool created = false;       // CreateNetwork was asked: DeleteNetwork is due
  bool requires_mac = false;  // RequestAddress wants the MAC
  std::string address_space;
  std::vector<PoolLease> leases;
};

/// What plugins have to be told when an endpoint goes.
struct RemoteEndpoint {
  struct Lease {
    std::string pool_id;
    ipam::Address address;
  };
  std::vector<Lease> leases;
  bool created = false;   // CreateEndpoint was asked
  bool joined = false;    // Join was asked
  bool external = false;  // ProgramExternalConnectivity was asked
  /// Of overlay networks: the token of the entry in the cluster's books; empty = none was asked
  /// for.
  std::string claim;
};

struct NetworkRecord {
  drivers::Network network;
  std::int64_t created_nano = 0;  // Unix time
  std::string scope = "local";
  bool attachable = false;
  bool ingress = false;
  bool config_only = false;
  std::string config_from;
  std::string ipam_driver = "default";
  std::map<std::string, std::string> ipam_options;
  Labels labels;
  bool predefined = false;              // bridge, host, none
  std::optional<EngineNetwork> engine;  // absent = netd's own
  RemoteNetwork remote;
  Progress progress;
};

/// EndpointSettings of the Engine API: what the user asked of one attachment.
struct EndpointSpec {
  std::optional<ipam::Address> ipv4;
  std::optional<ipam::Address> ipv6;
  std::vector<ipam::Address> link_local;
  std::vector<std::string> aliases;
  std::vector<std::string> links;  // "sandbox[:alias]"
  std::optional<ipam::Mac> mac;
  drivers::Options options;  // --driver-opt
  int gateway_priority = 0;
};

/// What a container engine said of an endpoint that it made through the plugin protocol.
struct EngineEndpoint {
  /// Who made it; nothing when that can't be known (TCP).
  std::optional<sandbox::ProcessIdentity> process;
  std::string sandbox_key;   // where the engine keeps the namespace; empty = not joined
  std::string netns_source;  // the engine's own namespace; empty = netd's
  std::vector<drivers::PortBinding> ports;  // asked for
  bool external = false;                    // its ports are published: it is the gateway
  std::string network;  // the engine's, where that stands for a network of the cluster
  // From the engine's API; empty = not known.
  std::string container_id;
  std::string container_name;
};

struct EndpointRecord {
  drivers::Endpoint endpoint;
  std::string network_id;
  std::string sandbox_id;                // empty: an engine's
  std::optional<EngineEndpoint> engine;  // absent = in a sandbox of netd's
  EndpointSpec spec;
  std::vector<std::string> dns_names;  // name, aliases, short id, hostname
  std::int64_t order = 0;              // of joining, within netd
  RemoteEndpoint remote;
  std::optional<dhcp::Lease> lease;  // where a DHCP server of the LAN gives out the addresses
  Progress progress;
};

/// POST /sandboxes
struct SandboxSpec {
  struct Attachment {
    std::string network;  // reference
    EndpointSpec endpoint;
  };
  std::string name;
  std::string id;  // empty = made up
  std::string hostname;
  std::string domainname;
  std::string netns_path;   // adopt; empty = make one
  std::optional<int> pid;   // adopt /proc/PID/ns/net; with shared_with: who shares it
  std::string shared_with;  // another sandbox's reference
  std::vector<Attachment> networks;
  std::vector<drivers::PortBinding> ports;
  std::vector<ipam::Address> dns;
  std::vector<std::string> dns_search;
  std::vector<std::string> dns_options;
  std::vector<std::string> extra_hosts;  // "name:ip", "name:host-gateway"
  Labels labels;
};

/// What people call the user of an endpoint that is not a sandbox: the container's name, or the
/// first 12 digits of the endpoint's id.
std::string engine_name(const EndpointRecord& record);

struct SandboxRecord {
  drivers::Sandbox sandbox;
  SandboxSpec spec;  // as asked; `networks` is empty here: the endpoints say it
  std::int64_t created_nano = 0;
  std::string netns_source;  // what was adopted; empty = a namespace of netd's own making
  /// Whose process's it is: that was named, or that lives in it since that one ended. Absent = of
  /// no process: a path's, or netd's.
  std::optional<sandbox::ProcessIdentity> process;
  bool owns_stack = true;            // false: the host's, or another sandbox's
  std::uint16_t dns_port = 0;        // of the listener at 127.0.0.11; 0 = no embedded DNS
  std::vector<drivers::Port> ports;  // published now, through the gateway endpoint of their family
  Progress progress;
};

/// The JSON that the store holds, and back: throws nlohmann::json::exception or
/// std::invalid_argument.
std::string to_text(const NetworkRecord& record);
std::string to_text(const EndpointRecord& record);
std::string to_text(const SandboxRecord& record);
void from_text(std::string_view text, NetworkRecord& record);
void from_text(std::string_view text, EndpointRecord& record);
void from_text(std::string_view text, SandboxRecord& record);

}  // namespace netd
