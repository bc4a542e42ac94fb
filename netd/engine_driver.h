// The verbs of Docker's plugin protocol on netd's model: what a container engine says when it uses
// netd as its network and IPAM driver (libnetwork.md 2.4 to 2.6). The wire is netd/plugin/.
//
// An engine's endpoint has no sandbox of netd's: the engine keeps the namespace, takes the link
// from its own, names it and gives it its addresses. So the plan of such an endpoint ends at the
// link, and a link that was handed over is never made again. An engine that lives in another
// namespace than netd (Docker in Docker, a second netd) finds the link there.
//
//     engine says        the endpoint's plan becomes
//     CreateEndpoint     nothing: addresses and MAC are on record
//     Join               the link, one end in netd's namespace and one in the engine's
//     Program…           the same and the published ports; host ports are reserved
//     Revoke…            the link
//     Leave              nothing
//     DeleteEndpoint     (gone)
//
// Every verb may be said again: an engine repeats a call whose answer it has not read, and deletes
// what it has forgotten whether netd knows it or not. All on the control thread; throws what
// Controller throws.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "netd/cluster_claims.h"
#include "netd/controller.h"
#include "netd/engine_claims.h"

namespace netd {

/// NetworkDriver.CreateNetwork; with the option io.netd.network it stands for one of the cluster's.
struct EngineNetworkSpec {
  /// One element of IPv4Data or IPv6Data.
  struct Pool {
    bool ours = false;  // its address space is netd's
    drivers::Pool pool;
  };
  std::string id;
  bool ipv4 = true;
  bool ipv6 = false;
  bool internal = false;
  drivers::Options options;  // -o; io.netd.driver, .name, .engine are taken out of them
  std::vector<Pool> pools;
  std::optional<sandbox::ProcessIdentity> process;
};

/// NetworkDriver.CreateEndpoint
struct EngineEndpointSpec {
  std::string network_id;
  std::string id;
  std::optional<ipam::Prefix> ipv4;
  std::optional<ipam::Prefix> ipv6;
  std::optional<ipam::Mac> mac;
  drivers::Options options;  // --driver-opt
  std::vector<drivers::PortBinding> ports;
  std::optional<sandbox::ProcessIdentity> process;
};

/// NetworkDriver.Join
struct EngineJoinSpec {
  std::string network_id;
  std::string id;
  std::string sandbox_key;
  std::optional<std::vector<drivers::PortBinding>> ports;  // of Join's options, where it has any
  std::optional<sandbox::ProcessIdentity> process;
};

/// Throws std::invalid_argument unless it is "" or where an engine's API is asked (a unix socket).
void check_engine_api(const std::string& api);

/// Stands for the namespace of a container where the engine does not say it.
inline constexpr const char* unknown_sandbox = "unknown";

/// What Join answers.
struct JoinedLink {
  std::string name;    // in the engine's namespace
  std::string prefix;  // of its name in the container
  std::optional<ipam::Address> gateway4;
  std::optional<ipam::Address> gateway6;
  std::vector<drivers::StaticRoute> routes;
  /// Without a gateway of ours Docker would add its own bridge docker_gwbridge, unless this is set.
  bool disable_gateway_service = false;
};

/// What an engine's API says of an endpoint's container.
struct ContainerNames {
  std::string id;
  std::string name;
  std::string hostname;
  std::vector<std::string> aliases;
};

class EngineDriver {
 public:
  explicit EngineDriver(Controller::State& state) : state_(state) {}

  // --- IpamDriver
  ClaimedPool request_pool(const PoolAsk& ask);
  void release_pool(const std::string& id);
  ipam::Prefix request_address(const AddressAsk& ask);
  void release_address(const std::string& pool, const ipam::Address& address);

  // --- NetworkDriver
  /// Whether the network's driver keeps the gateway address of that family for itself: the engine
  /// need not ask for one where not.
  bool wants_gateway(const EngineNetworkSpec& spec, ipam::Family family) const;
  /// Returns warnings.
  std::vector<std::string> create_network(const EngineNetworkSpec& spec);
  /// A network that sandboxes of netd's still use stays, as one of netd's own.
  void delete_network(const std::string& id);
  const EndpointRecord& create_endpoint(const EngineEndpointSpec& spec);
  void delete_endpoint(const std::string& network_id, const std::string& id);
  /// Throws Error(not_found).
  const EndpointRecord& endpoint(const std::string& network_id, const std::string& id) const;
  JoinedLink join(const EngineJoinSpec& spec);
  void leave(const std::string& network_id, const std::string& id);
  void program(const std::string& network_id, const std::string& id,
               const std::optional<std::vector<drivers::PortBinding>>& ports);
  void revoke(const std::string& network_id, const std::string& id);

  // --- what the engine's API tells (plugin/engine_names.h)
  /// Where it is asked about a network; empty: nowhere.
  std::string api_of(const std::string& network_id) const;
  /// Gone meanwhile = nothing happens.
  void learn(const std::string& endpoint_id, const ContainerNames& container);
  /// The name, unless another network has it.
  void learn_network(const std::string& network_id, const std::string& name);

  // --- networks of the cluster (engine_overlay.cpp). What asks the cluster's books is done by
  // --- RemoteVerbs in between: the verbs are begun and ended here.
  bool is_bound(const std::string& network_id) const;
  bool is_bound_pool(const std::string& pool) const;
  /// The cluster's network that an engine's stands for. Throws Error where there is none (any
  /// more).
  const NetworkRecord& bound_network(const std::string& network_id) const;
  struct BegunClaim {
    std::optional<ipam::Prefix> known;  // the answer, when the books need not be asked
    BoundClaim claim;                   // on record, without its address
    ipam::Family family = ipam::Family::v4;
  };
  BegunClaim begin_claim(const AddressAsk& ask);
  /// The claim that nothing is left of: to be struck out.
  std::optional<BoundClaim> give_back(const std::string& pool, const ipam::Address& address);
  struct BegunEndpoint {
    EndpointRecord record;           // joined: it was made before
    std::vector<BoundClaim> before;  // what its addresses are claimed by
  };
  BegunEndpoint begin_endpoint(const EngineEndpointSpec& spec);
  void finish_endpoint(const BegunEndpoint& begun);

  /// Boot, after the networks: takes the published ports again, and makes the endpoints what their
  /// driver says today, but for links that the engine has or had. Problems are added to the list.
  void restore(std::vector<std::string>& problems);
  /// Gives up what engines that are gone have left: claims, endpoints that were never joined, and
  /// endpoints whose link died with its container. Returns how many.
  std::size_t sweep();

 private:
  /// The id of the network that it is here: an engine's may stand for one of the cluster.
  const std::string& here(const std::string& network_id) const;
  const NetworkRecord& network(const std::string& id) const;
  NetworkRecord describe(const EngineNetworkSpec& spec) const;
  void open_pools(const EngineNetworkSpec& spec, NetworkRecord& record,
                  std::vector<Addresses::Claim>& claims);
  void check_endpoint(const EngineEndpointSpec& spec, const NetworkRecord& network) const;
  EndpointRecord describe_endpoint(const EngineEndpointSpec& spec, const NetworkRecord& network);
  void take_addresses(const EngineEndpointSpec& spec, const NetworkRecord& network);
  void restore_endpoint(EndpointRecord record, std::vector<std::string>& problems);
  /// What joining a sandbox changes in the record.
  void settle_in(const EngineJoinSpec& spec, EndpointRecord& record) const;
  /// What an endpoint is in the kernel, as its record says.
  sandbox::Plan plan_of(const EndpointRecord& record) const;
  /// Carries out what changed records mean for the kernel, all or nothing.
  void change(std::vector<EndpointRecord> records);
  void drop(const EndpointRecord& record);

  // --- networks of the cluster (engine_overlay.cpp)
  const NetworkRecord& find_cluster_network(const std::string& name) const;
  ClaimedPool request_bound_pool(const PoolAsk& ask);
  void bind_network(const EngineNetworkSpec& spec);
  void unbind_network(const std::string& id);
  /// The engine's firewall has to let the network through, or not any more.
  void stand_beside_engine(const std::string& network_id, bool beside);
  ipam::Prefix reserved_address(const AddressAsk& ask, const drivers::Pool& pool,
                                const std::string& network) const;
  void keep_claim(const EndpointRecord& gone);

  // --- published ports (engine_ports.cpp)
  /// A container's ports belong to all its endpoints that the engine made gateways: the one for
  /// IPv4 need not be the one for IPv6, and of a gateway that moves the engine only tells the
  /// half that changed.
  struct SharedPorts {
    std::string holder;  // in PublishedPorts: the container's namespace
    std::vector<EndpointRecord> others;
  };
  SharedPorts ports_shared_with(const EndpointRecord& record) const;
  void publish_ports(EndpointRecord record);
  /// The protocol has no warnings: the log says that a network on a LAN publishes nothing.
  void log_ignored_ports(const EndpointRecord& record) const;
  /// An endpoint is no gateway any more: the others carry its ports.
  void leave_ports(SharedPorts shared);
  /// The endpoints carry these ports between them.
  void carry_ports(const std::vector<drivers::Port>& ports, std::vector<EndpointRecord> endpoints);
  /// The relay follows the container's gateways.
  void serve_ports(const EndpointRecord& record);

  Controller::State& state_;
};

}  // namespace netd
