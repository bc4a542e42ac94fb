// What the controller's files share: its state, and the steps that several verbs take. Only
// controller*.cpp and restore.cpp include this.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "drivers/registry.h"
#include "drivers/sandbox_plan.h"
#include "netd/addresses.h"
#include "netd/cluster_claims.h"
#include "netd/config.h"
#include "netd/controller.h"
#include "netd/dhcp/client.h"
#include "netd/engine_claims.h"
#include "netd/error.h"
#include "netd/events.h"
#include "netd/names.h"
#include "netd/published_ports.h"
#include "netd/records.h"
#include "netd/store.h"
#include "netd/work.h"
#include "sandbox/kernel.h"

namespace dns {
class Listeners;
}

namespace netd {

class Overlays;

/// What a verb has taken so far; given back, last first, unless it is dismissed.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    while (!actions_.empty()) {
      actions_.back()();
      actions_.pop_back();
    }
  }
  void add(std::function<void()> action) { actions_.push_back(std::move(action)); }
  void dismiss() { actions_.clear(); }

 private:
  std::vector<std::function<void()>> actions_;
};

struct Controller::State {
  State(const Config& config_, Store& store_, sandbox::Kernel& kernel_,
        const drivers::Registry& drivers_, dns::Listeners& dns_, Events& events_);

  const Config& config;
  Store& store;
  sandbox::Kernel& kernel;
  const drivers::Registry& drivers;
  dns::Listeners& dns;
  Events& events;

  bool host_ipv6;
  Records records;
  Addresses addresses;
  EngineClaims claims;
  ClusterClaims bound;  // … of the cluster's networks
  Names names;
  PublishedPorts ports;
  std::mt19937_64 random{std::random_device{}()};
  std::uint32_t next_link_index = 0x10000000;  // far above what the kernel counts up to
  std::int64_t next_order = 1;
  /// Sandboxes that a verb is at work on while it asks plugins: id -> "is being connected".
  std::map<std::string, std::string> busy;
  dhcp::Client* leases = nullptr;         // null: none can be had (tests)
  sandbox::OwnerWatch* owners = nullptr;  // null: nobody is watched (tests)
  Overlays* overlays = nullptr;  // null: this host is in no cluster, or has not joined it yet
  bool purged = false;  // nothing is there: the firewall and the built-in networks come first

  // --- identities (controller.cpp)
  std::string make_id();  // 64 hex digits
  std::uint32_t make_link_index();
  ipam::Mac make_mac();
  /// Where the namespace of a sandbox, or of an engine that is elsewhere, is pinned.
  std::string pin_path(const std::string& id) const { return config.run_dir + "/netns/" + id; }

  // --- look-ups (controller.cpp); throw Error
  const NetworkRecord& network(std::string_view reference, Purpose purpose) const;
  const SandboxRecord& sandbox(std::string_view reference) const;
  const drivers::Driver& driver_of(const NetworkRecord& network) const;
  SandboxView view_of(const SandboxRecord& sandbox) const;
  /// Throws Error(conflict) when another verb is at work on it.
  void check_idle(const SandboxRecord& sandbox) const;
  void check_idle(const NetworkRecord& network) const;
  /// Into the store and the model, as it is.
  void write(Record record, Durability durability = Durability::process);

  // --- a sandbox as a whole (sandbox_state.cpp)
  /// Endpoints in the order in which they are asked for a default route (libnetwork.md 1.12).
  std::vector<const EndpointRecord*> by_priority(
      const std::vector<const EndpointRecord*>& endpoints) const;
  const EndpointRecord* gateway_of(const std::vector<const EndpointRecord*>& endpoints,
                                   ipam::Family family) const;
  /// Both of a sandbox's endpoints, in any order; null: that family has none.
  struct Gateways {
    const EndpointRecord* v4 = nullptr;
    const EndpointRecord* v6 = nullptr;
    bool any() const { return v4 || v6; }
  };
  Gateways gateways_of(const std::vector<const EndpointRecord*>& endpoints) const;
  Gateways gateways_of(const std::vector<EndpointRecord>& endpoints) const;
  /// Writes into each of a sandbox's endpoints which of its published ports it carries.
  void spread_ports(const std::vector<drivers::Port>& ports,
                    std::vector<EndpointRecord>& endpoints) const;
  /// Writes into the records what follows from each other: which endpoint carries which ports, the
  /// default routes, and all plans.
  void replan(SandboxRecord& sandbox, std::vector<EndpointRecord>& endpoints) const;
  /// What the embedded DNS server answers in the sandbox.
  dns::View names_seen_by(const SandboxRecord& sandbox) const;
  /// Publishes view, files and relayed ports of a sandbox as the records say.
  void refresh_sandbox(const SandboxRecord& sandbox);

  // --- attaching (controller_endpoints.cpp)
  using Attachment = std::pair<const NetworkRecord*, EndpointSpec>;
  /// Joins all networks in one transition; the sandbox is `joined` afterwards.
  void attach(const SandboxRecord& sandbox, const std::vector<Attachment>& attachments);
  /// All that a new endpoint is but its ports and plan. What is taken is given back by `undo`.
  EndpointRecord prepare(const NetworkRecord& network, const SandboxRecord& sandbox,
                         const EndpointSpec& spec, const std::vector<EndpointRecord>& others,
                         Undo& undo);
  /// The name of the endpoint's end on the host: asked for, or made of its id.
  std::string choose_host_link(const drivers::Endpoint& endpoint);
  /// What was asked for, or any; none where the driver's endpoints have none of their own.
  ipam::Mac choose_mac(const NetworkRecord& network, const std::optional<ipam::Mac>& wanted);
  /// The interface's name in the sandbox: asked for, or prefix and the lowest free number.
  std::string choose_interface(const std::string& prefix, const SandboxRecord& sandbox,
                               const EndpointSpec& spec, const std::vector<EndpointRecord>& others);
  /// The second half of attach: `endpoints` are all of the sandbox's, new from `first_new` on.
  void join(const SandboxRecord& sandbox, std::vector<EndpointRecord> endpoints,
            std::size_t first_new);
  /// Those that are not leaving.
  std::vector<EndpointRecord> endpoints_staying(const std::string& sandbox_id) const;
  void detach(const SandboxRecord& sandbox, const EndpointRecord& endpoint);
  /// Puts what differs between records and model into `work`.
  void put_changes(Work& work, const SandboxRecord& sandbox,
                   const std::vector<EndpointRecord>& endpoints) const;
  /// Reserves what the bindings ask for, if some endpoint gives a gateway; `published` are the
  /// ports.
  std::vector<PublishedPorts::Held> reserve_ports(const std::vector<drivers::PortBinding>& bindings,
                                                  const std::vector<EndpointRecord>& endpoints,
                                                  std::vector<drivers::Port>& published);
  /// Writes into `sandbox` the ports it publishes on these endpoints: what it has reserved already,
  /// or what it reserves now, which comes back.
  std::vector<PublishedPorts::Held> resolve_ports(SandboxRecord& sandbox,
                                                  const std::vector<EndpointRecord>& endpoints);
  /// Reserved ports where the gateway's network maps ports, opened ones where it routes.
  std::vector<drivers::Port> ports_by_mode(const std::vector<drivers::Port>& reserved,
                                           const std::vector<drivers::PortBinding>& bindings,
                                           const std::vector<EndpointRecord>& endpoints) const;
  /// Whether nothing is published on that network: its containers are on the LAN themselves.
  bool ignores_ports(const NetworkRecord& network) const;
  /// The one among a sandbox's endpoints whose network keeps its ports from being published: that
  /// of the default route, or, where there is no such route, any on a LAN. Null: none does.
  const EndpointRecord* ignorer_of_ports(const std::vector<const EndpointRecord*>& endpoints) const;
  /// Says so, in words for its user.
  std::string ignored_ports_text(const EndpointRecord& ignorer) const;
  /// Logs it, where a sandbox wants ports published and none is.
  void log_ignored_ports(const SandboxRecord& sandbox) const;
  /// Throws when the network takes no more endpoints.
  void check_room(const NetworkRecord& network) const;
  /// Throws Error when the sandbox's removal has begun.
  static void check_not_leaving(const SandboxRecord& sandbox);
  /// Conflicts between the modes of networks (libnetwork.md 1.9). `connecting`: the sandbox is
  /// there.
  void check_modes(const SandboxRecord& sandbox, const std::vector<const NetworkRecord*>& to,
                   bool connecting) const;
  /// Gratuitous ARP and unsolicited NA, in the background.
  void announce(const EndpointRecord& record);
  /// Flows to ports whose elements are not what they were `before`: the others go on undisturbed.
  void forget_changed_ports(const std::vector<sandbox::Element>& before,
                            const std::vector<sandbox::Element>& after);
  /// Addresses and flows of an endpoint that is gone from the kernel.
  void release_endpoint(const EndpointRecord& record);
  /// The elements of the published ports in a plan.
  static std::vector<sandbox::Element> elements_of(const sandbox::Plan& plan);

  // --- networks (controller_networks.cpp)
  /// The index of the VRF that the network's bridge is to be in; 0 = none. Throws
  /// std::invalid_argument when there is no such VRF.
  std::uint32_t find_vrf(const drivers::Network& network) const;
  /// A link that says it is of a network of netd's, which no record knows.
  bool is_stray(const std::string& alias) const;
  /// Throws what create_network answers to a name that is malformed, predefined or taken.
  void check_network_name(const std::string& name) const;
  /// The record of what was asked, without pools, link and plan.
  NetworkRecord describe_network(const NetworkSpec& spec, std::string id) const;
  /// Checks what can be checked of a request; `spec` gets what its configuration network says.
  NetworkRecord begin_network(NetworkSpec& spec);
  /// Allocates, plans, makes and stores; warnings come back.
  std::vector<std::string> make_network(const NetworkSpec& spec, NetworkRecord& record);
  /// The parts of make_network: what is wrong before anything is allocated; subnets of netd's own
  /// IPAM; kernel, store and names.
  void check_network(const NetworkRecord& record) const;
  std::vector<std::string> open_pools(const NetworkSpec& spec, NetworkRecord& record,
                                      const std::function<bool(ipam::Family)>& wants_gateway);
  std::vector<std::string> finish_network(NetworkRecord& record);
  /// Throws when the network can't go: predefined, in use.
  void check_removable(const NetworkRecord& network) const;
  /// The network's own DNS server, where its driver wants one. Throws.
  void open_gateway_dns(const NetworkRecord& record);
  /// Remembers what host-wide settings were before netd changes them, for `system purge`.
  void remember_host_settings(const sandbox::Plan& plan);
  /// What automatic choice of a subnet keeps clear of: the host's on-link routes and name servers.
  std::vector<ipam::Prefix> reserved_prefixes() const;
  /// Who uses an endpoint (Controller::owner_of).
  std::string owner_of(const EndpointRecord& record) const;
  /// The name of the network with that subnet.
  std::string owner_of(const ipam::Prefix& subnet) const;

  // --- leases (lan_leases.cpp)
  dhcp::Client::Request lease_request(const EndpointRecord& record) const;
  /// What the DHCP servers of a sandbox's LANs say of names, that of the default route's first.
  struct LeasedNames {
    std::vector<ipam::Address> servers;
    std::vector<std::string> search;
  };
  LeasedNames leased_names(const std::string& sandbox_id) const;
  /// Boot: those on record are renewed from now on.
  void keep_leases();
  /// The sandbox as it is now that one of its endpoints has another address, or none.
  void move_endpoint(const EndpointRecord& changed);

  // --- sandboxes (controller_sandboxes.cpp)
  std::vector<Attachment> attachments_of(const SandboxSpec& spec) const;
  /// Checks, and makes the sandbox itself: its DNS listener opens in its namespace before networks
  /// are joined. `alone`: nothing is to be joined.
  const SandboxRecord& begin_sandbox(const SandboxSpec& spec,
                                     const std::vector<Attachment>& attachments);
  /// Throws Error(conflict) when another sandbox lives in its namespace.
  void check_removable(const SandboxRecord& sandbox) const;
  void publish_removal(const SandboxRecord& sandbox, const std::vector<EndpointRecord>& endpoints);

  // --- whose namespaces they are (sandbox_owners.cpp)
  /// The process that is named, or whose path is: that has the namespace, or shares another's.
  static std::optional<sandbox::ProcessIdentity> adopted_process(const SandboxSpec& spec);
  /// Whether its namespace was somebody else's before it was the sandbox's.
  static bool is_of_others(const SandboxRecord& sandbox);
  /// Its process runs, its path leads to it.
  bool has_owner(const SandboxRecord& sandbox) const;
  /// From now on netd is told when that ends.
  void watch_owner(const SandboxRecord& sandbox);
  /// False when it has ended, and nobody lives in the namespace either. Else it is watched again,
  /// or who lives there is from now on; `residents` are looked up when they are needed.
  bool keeps_owner(const SandboxRecord& sandbox, std::optional<sandbox::Residents>& residents);
  /// Those that live in its namespace.
  std::vector<const SandboxRecord*> sharers_of(const std::string& id) const;
  /// Removes a sandbox with the name or id of a new one if what it was for has ended, and those
  /// that share it: a container that starts again must not be refused for the sake of the one that
  /// it replaces.
  void make_room_for(const SandboxSpec& spec);

  // --- removing (controller_sandboxes.cpp, controller_networks.cpp); return failures
  void remove_sandbox(const SandboxRecord& sandbox);
  /// Removes a sandbox with its endpoints, which come back; no questions, no events.
  std::vector<EndpointRecord> take_down(const SandboxRecord& record);
  /// Closes and deletes what netd itself holds in or for a sandbox: listeners, ports, files.
  void let_go(const SandboxRecord& sandbox);
  /// The elements of all published ports of a sandbox.
  std::vector<sandbox::Element> published_elements(const std::string& sandbox_id) const;
  void remove_network(const NetworkRecord& network);

  // --- files (sandbox_files.cpp)
  std::string directory_of(const SandboxRecord& sandbox) const;
  /// Throws std::invalid_argument for words that the files can't hold.
  void check_files(const SandboxSpec& spec) const;
  void write_files(const SandboxRecord& sandbox);
  void remove_files(const SandboxRecord& sandbox);
  NameDefaults name_defaults() const;

  // --- start and end (restore.cpp, builtin_networks.cpp)
  std::vector<std::string> restore(const std::string& host_identity);
  void make_builtin_networks(std::vector<std::string>& problems);
  /// After a purge, what a start makes.
  void begin_again();

  void publish_event(const char* action, const NetworkRecord& network,
                     const std::string& container = "");
  void publish_event(const char* action, const SandboxRecord& sandbox);
};

/// netd's own IPAM drivers, default when none is named; all others are plugins.
bool is_own_ipam(std::string_view driver);

/// Refuses what a network whose addresses a DHCP server gives out can't have. Throws
/// std::invalid_argument.
void check_leased(const drivers::Driver& driver, const NetworkSpec& spec,
                  const drivers::Network& network);
/// The endpoint's address and routes become the lease's; without a lease there are none.
void follow_lease(EndpointRecord& record);
/// Whether addresses are probed for before they are used.
bool detects_conflicts(const drivers::Network& network);

/// Throws Error(internal) that lists what could not be undone, when anything could not.
void throw_failures(const std::string& object, const std::vector<std::string>& failures);

/// Unix time in nanoseconds.
std::int64_t now_nano();

}  // namespace netd
