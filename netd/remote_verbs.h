// The verbs that ask plugins: straight-line functions on a worker thread, which go through the gate
// for what the control thread owns and wait for plugins in between.
//
//     prepare (control)  ->  ask (worker, with a deadline)  ->  commit (control)
//
// While a verb asks, its network or endpoint is `joining` or `leaving` in the store and its sandbox
// is busy: other verbs on them are refused, all others go on. What plugins are to be told in the
// end is written down first (owed_calls.h).
//
// The functions named asked_by_… run on the control thread and tell which plugins a verb needs;
// none: the controller does it alone (controller.h). All others run on a worker.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "netd/control_gate.h"
#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/owed_calls.h"
#include "netd/plugin/client.h"
#include "netd/workers.h"

namespace netd {

class ClusterMember;

/// The cluster's store did not do its part; it is not asked again in this verb.
struct StoreAway : Error {
  explicit StoreAway(const Error& error) : Error(error) {}
};

class RemoteVerbs {
 public:
  using PluginNames = std::set<std::string>;

  /// All outlive this.
  RemoteVerbs(Controller& controller, plugin::Plugins& plugins, ControlGate gate, Workers& workers)
      : controller_(controller), plugins_(plugins), gate_(std::move(gate)), workers_(workers) {}

  /// Before the first verb; it outlives this.
  void use_cluster(ClusterMember& cluster) { cluster_ = &cluster; }

  const ControlGate& gate() const { return gate_; }
  Workers& workers() { return workers_; }

  PluginNames asked_by_create(const NetworkSpec& spec) const;
  PluginNames asked_by_create(const SandboxSpec& spec) const;
  PluginNames asked_by_network(std::string_view reference) const;
  /// Of the network and of all that the sandbox is on: its gateway may move.
  PluginNames asked_by_attachment(std::string_view network, std::string_view sandbox) const;
  PluginNames asked_by_sandbox(std::string_view reference) const;
  PluginNames asked_by_all() const;

  CreatedNetwork create_network(const NetworkSpec& spec);
  void remove_network(std::string_view reference);
  std::vector<std::string> prune_networks(const std::function<bool(const NetworkRecord&)>& wanted);
  /// Returns the id.
  std::string create_sandbox(const SandboxSpec& spec);
  /// `check` runs in the moment from which on nobody else changes it; what it throws is the
  /// refusal.
  void remove_sandbox(std::string_view reference, const std::function<void()>& check = {});
  void connect(std::string_view network, std::string_view sandbox, const EndpointSpec& spec);
  void disconnect(std::string_view network, std::string_view sandbox, bool force);
  std::vector<std::string> purge();

  // --- what engines ask on networks that stand for the cluster's (remote_engine.cpp)
  ipam::Prefix engine_takes_address(const AddressAsk& ask);
  void engine_gives_back(const std::string& pool, const ipam::Address& address);
  EndpointRecord engine_makes_endpoint(const EngineEndpointSpec& spec);
  JoinedLink engine_joins(const EngineJoinSpec& spec);
  /// The cluster's network stays.
  void engine_removes_network(const std::string& id);
  /// Other hosts learn the endpoint's names; in the background, any thread.
  void publish_names(const std::string& endpoint_id);

  /// Tells the cluster's store what it is owed, if anything is; in the background.
  void settle_cluster();
  /// Strikes out what a transaction whose answer was lost may have entered since the last look.
  /// Waits for the store; on one thread.
  void strike_doubts();
  /// Disconnects an endpoint whose addresses are others' now (ClusterMember).
  void lose(const std::string& endpoint_id);

  /// What restore left: in the background, IPAM plugins that want it hear of their leases again,
  /// and what plugins are owed is told. Returns at once; any thread.
  void settle_in_background();

 private:
  /// A sandbox that this verb works on, until it ends.
  class Busy;
  /// What one verb found out about plugins: one that did not answer is not asked again.
  using Absent = std::set<std::string>;

  // --- networks (remote_networks.cpp)
  struct NetworkCreation;
  void shake_hands(NetworkCreation& creation);
  void lease_pools(NetworkCreation& creation);
  void lease_pool(NetworkCreation& creation, const PoolRequest& wanted, ipam::Family family);
  plugin::LeasedPool request_pool(NetworkCreation& creation, const PoolRequest& wanted,
                                  ipam::Family family);
  plugin::LeasedPool request_once(NetworkCreation& creation, const PoolRequest& wanted,
                                  ipam::Family family);
  ipam::Address lease_address(NetworkCreation& creation, const nlohmann::json& request);
  void announce_network(NetworkRecord& record);
  void abandon_network(const NetworkRecord& record, Absent absent);

  // --- endpoints (remote_endpoints.cpp)
  using Attachments = std::vector<std::pair<std::string, EndpointSpec>>;  // by network id
  struct Asked;
  std::vector<std::string> begin_attach(const std::string& sandbox_id,
                                        const Attachments& attachments);
  void attach(const std::string& sandbox_id, const Attachments& attachments);
  /// Returns the interface prefix that the plugin wants; empty = none in particular.
  std::string ask_for(const std::string& endpoint_id);
  void request_addresses(Asked& asked);
  void request_address(Asked& asked, ipam::Family family);
  void create_endpoint(Asked& asked);
  // … of the LAN (remote_leases.cpp)
  void take_lease(Asked& asked);
  void avoid_conflicts(Asked& asked);
  std::optional<ipam::Mac> probe(const Asked& asked, const ipam::Address& address);
  std::string join_endpoint(Asked& asked);
  void finish_attach(const std::string& sandbox_id, const std::vector<std::string>& endpoint_ids,
                     const std::map<std::string, std::string>& prefixes);
  void claim_link(const SandboxRecord& sandbox, EndpointRecord& record, const std::string& prefix,
                  const std::vector<EndpointRecord>& others);
  void abandon_endpoints(const std::string& sandbox_id,
                         const std::vector<std::string>& endpoint_ids, Absent absent);

  // --- overlay networks (remote_cluster.cpp)
  ClusterMember& cluster() const;
  CreatedNetwork create_overlay(const NetworkSpec& spec);
  void remove_overlay(const NetworkRecord& record);
  void prepare_encryption();
  void claim_endpoint(Asked& asked);
  void bring_up(const drivers::Network& network);
  void bring_down_unused();
  bool tell_cluster(const OwedCall& call, Absent& absent);
  /// Strikes out once more, for some time, what a transaction may still enter in the books whose
  /// answer was lost. Nothing to do for other errors.
  void doubt(const StoreError& error, const OwedCall& strike);
  /// Strikes out an engine's claim that is on record, now or later.
  void abandon_claim(const BoundClaim& claim, Absent absent);
  void abandon_engine_endpoint(const EndpointRecord& record, Absent absent);
  /// With the gateway bridge where it is needed.
  Attachments with_gateway(const std::string& sandbox_id, Attachments attachments);
  /// Leaves the gateway bridge when nothing needs it any more.
  void leave_gateway(const std::string& sandbox_id, Absent& absent);

  // --- leaving (remote_leaving.cpp)
  using OwedByObject = std::vector<std::pair<std::string, OwedCalls>>;
  OwedByObject begin_leaving(const std::vector<EndpointRecord>& endpoints);
  void leave(const std::string& sandbox_id, const std::string& endpoint_id, Absent& absent);
  /// All that it takes, of a sandbox that is marked busy.
  void take_off(const std::string& sandbox_id, const std::string& endpoint_id);
  /// Returns the endpoints that went along.
  std::vector<EndpointRecord> take_down(const std::string& sandbox_id, Absent& absent);
  /// Revokes and programs external connectivity as the sandbox's gateways are now.
  void move_gateways(const std::string& sandbox_id);

  // --- owed calls (remote_verbs.cpp)
  /// Writes down what is owed by an object, which this verb settles. On the control thread.
  void owe(const std::string& id, const OwedCalls& calls, std::vector<Change> with = {});
  /// Tells what is owed, in order, as far as it is `wanted`; what is not told stays in `calls` and
  /// in the store.
  void settle_some(const std::string& id, OwedCalls& calls, Absent& absent,
                   const std::function<bool(const OwedCall&)>& wanted);
  /// All of it; the end of the verb's part.
  void settle(const std::string& id, OwedCalls& calls, Absent& absent);
  /// All of it, but for what others may get only once the object is gone from here.
  void settle_gone(const std::string& id, OwedCalls& calls, Absent& absent, bool is_here);
  /// What could not be told is tried once more, in the background.
  void settle_later(const Absent& absent);
  /// Who did not answer, when that is what went wrong.
  static Absent absent_in(const std::exception_ptr& failure);
  bool tell(const OwedCall& call, Absent& absent);
  void settle_all();
  void replay_leases();
  void replay_network(const NetworkRecord& network);

  Controller::State& state() const { return controller_.state(); }

  Controller& controller_;
  plugin::Plugins& plugins_;
  ClusterMember* cluster_ = nullptr;
  ControlGate gate_;
  Workers& workers_;
  std::set<std::string> settling_;  // owed by objects that a verb is at; control thread
  bool settling_all_ = false;       // control thread
  struct Doubt {
    OwedCall strike;
    int looks = 0;  // that are still to come
  };
  std::vector<Doubt> doubts_;  // control thread
};

/// What is known of an endpoint while its plugins are asked.
struct RemoteVerbs::Asked {
  EndpointRecord endpoint;
  NetworkRecord network;
  SandboxRecord sandbox;
};

class RemoteVerbs::Busy {
 public:
  /// On a worker. `what`: "is being connected".
  Busy(RemoteVerbs& verbs, std::string sandbox_id) : verbs_(verbs), id_(std::move(sandbox_id)) {}
  ~Busy() {
    verbs_.gate_.run([this] { verbs_.state().busy.erase(id_); });
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  RemoteVerbs& verbs_;
  std::string id_;
};

}  // namespace netd
