// The CNM verbs: create, connect, publish, disconnect, remove. Owns all state; every call is made
// on the control thread. Each verb either happens wholly or leaves no trace.
//
// Throws: netd::Error (error.h), std::invalid_argument (400), drivers::Refused (403),
// std::system_error (500).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "netd/model.h"
#include "sandbox/link_watch.h"

namespace sandbox {
class Kernel;
class OwnerWatch;
}  // namespace sandbox
namespace drivers {
class Registry;
}
namespace dns {
class Listeners;
}

namespace netd::dhcp {
class Client;
struct Change;
}  // namespace netd::dhcp

namespace netd {

class EngineDriver;
class Events;
class Store;
struct Config;

/// What a reference found, for the three texts of libnetwork.md 3.3.
enum class Purpose { inspect, remove, use };

struct CreatedNetwork {
  std::string id;
  std::vector<std::string> warnings;
};

/// A sandbox with its endpoints, in the order of their joining.
struct SandboxView {
  const SandboxRecord* sandbox = nullptr;
  std::vector<const EndpointRecord*> endpoints;
};

struct PoolUsage {
  ipam::Prefix subnet;
  ipam::Offset in_use = 0;
  ipam::Offset available = 0;
};

struct SystemInfo {
  std::size_t networks = 0;
  std::size_t sandboxes = 0;
  std::size_t endpoints = 0;
  std::size_t dying_links = 0;
};

/// Something that `netctl doctor` tells. `severity` "missing": netd made it, and it is not there;
/// "note": nothing is broken.
struct Finding {
  std::string severity;
  std::string object;
  std::string network;
  std::string sandbox;
  std::string what;
  std::string repair;
};

class Controller {
 public:
  Controller(const Config& config, Store& store, sandbox::Kernel& kernel,
             const drivers::Registry& drivers, dns::Listeners& dns, Events& events);
  ~Controller();

  /// Reads the store, settles what a crash left, makes the built-in networks. Before anything else.
  /// `host_identity` names this boot of this host's network namespace ("<boot id>:<netns cookie>"):
  /// with another one than last time, sandboxes and endpoints are gone. Returns what went wrong but
  /// did not stop it, one text a problem, for the log.
  std::vector<std::string> start(const std::string& host_identity);

  /// Links of the host came, changed or went: networks on such a parent are made good.
  void links_changed(const sandbox::LinkNotices& notices);

  /// Who leases addresses for endpoints; before start(). It has to outlive this.
  void use_leases(dhcp::Client& leases);
  /// Who tells that what a sandbox's namespace was taken from is gone; before start(). It has to
  /// outlive this.
  void use_owner_watch(sandbox::OwnerWatch& owners);
  /// What that watch tells: the sandboxes that nobody needs any more, those that live in another's
  /// namespace before that one. A sandbox stays as long as a process is in its namespace, which is
  /// watched then.
  std::vector<std::string> ended_sandboxes();
  /// That one is told once more in a moment.
  void remind_of_end(const std::string& sandbox_id);

  /// What became of an endpoint's lease.
  void lease_changed(const std::string& endpoint_id, const dhcp::Change& change);

  CreatedNetwork create_network(const NetworkSpec& spec);
  /// By full id, name, or unique id prefix; throws not_found or invalid (ambiguous).
  const NetworkRecord& network(std::string_view reference, Purpose purpose = Purpose::use) const;
  std::vector<const NetworkRecord*> networks() const;  // by name
  /// Endpoints on a network, in the order of their joining.
  std::vector<const EndpointRecord*> endpoints_of(const std::string& network_id) const;
  std::vector<PoolUsage> pool_usage(const std::string& network_id) const;
  void remove_network(std::string_view reference);
  /// Removes the user-defined networks without endpoints that `wanted` accepts; returns their
  /// names.
  std::vector<std::string> prune_networks(const std::function<bool(const NetworkRecord&)>& wanted);

  SandboxView create_sandbox(const SandboxSpec& spec);
  /// By full id, name, or unique id prefix.
  SandboxView sandbox(std::string_view reference) const;
  std::vector<SandboxView> sandboxes() const;  // by name
  void remove_sandbox(std::string_view reference);
  /// All or nothing: takes away `remove` (by container port, protocol and, when given, host address
  /// and port), adds what of `add` is not there.
  SandboxView change_ports(std::string_view reference, const std::vector<drivers::PortBinding>& add,
                           const std::vector<drivers::PortBinding>& remove);

  void connect(std::string_view network, std::string_view sandbox, const EndpointSpec& spec);
  /// `force` is Docker's way to remove an endpoint without a container: an engine's endpoint, by
  /// its id or its container's name or id. Other unknown sandboxes are not_found all the same.
  void disconnect(std::string_view network, std::string_view sandbox, bool force);

  /// Why none of the ports that a sandbox wants published is, for its user; empty: some are, or
  /// none is wanted. With `network`, only when it is the reason. Empty for what doesn't exist.
  std::string ignored_ports(std::string_view sandbox, std::string_view network = {}) const;

  /// The address the sandbox's default route of that family goes to; nothing without one.
  const EndpointRecord* gateway_endpoint(const std::string& sandbox_id, ipam::Family family) const;
  const NetworkRecord& network_by_id(const std::string& id) const;
  const SandboxRecord& sandbox_by_id(const std::string& id) const;
  /// Who uses an endpoint: the sandbox's or the engine's container's name (model.h, engine_name).
  std::string owner_of(const EndpointRecord& record) const;
  /// "<run dir>/sandboxes/<id>/<file>": resolv.conf, hosts, hostname.
  std::string file_of(const std::string& sandbox_id, std::string_view file) const;

  SystemInfo info() const;
  /// Compares records and kernel; changes nothing. Cost grows with the number of endpoints.
  std::vector<Finding> examine() const;
  /// Removes everything that netd ever made here: sandboxes, networks, the nft table, namespaces,
  /// files. Returns what could not be removed.
  std::vector<std::string> purge();

  /// The same for an engine that uses netd as its plugin.
  EngineDriver engine();

  struct State;  // controller_state.h
  /// For the verbs that ask plugins in between (remote_verbs.h). Only on the control thread.
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace netd
