// This host as a member of a cluster: keeps its place there, follows what others do, and gives up
// hosts that stay away. One thread of its own, which waits for the store; the control thread never
// does.
//
//     open      the store's engine is loaded                        [main thread]
//     recall    Overlays is made of what was heard last             [control thread]
//     join      again and again until the store takes this host     [cluster thread]
//     follow    Overlays is told of all there is                    [control thread]
//     keep      every 5 s the lease; who is away too long; every 60 s the kernel and the books are
//     looked through
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "netd/cluster/ledger.h"
#include "netd/cluster/membership.h"
#include "netd/cluster/memory.h"
#include "netd/cluster_config.h"
#include "netd/control_gate.h"
#include "netd/controller.h"
#include "netd/overlays.h"
#include "netd/path_probes.h"
#include "netd/workers.h"
#include "sandbox/link_watch.h"

namespace netd {

class ClusterMember {
 public:
  /// What the verbs do for it, on its thread.
  struct Verbs {
    /// The store answers: what it may be owed can be told. Every few seconds.
    std::function<void()> settle;
    /// An endpoint's addresses were given to others while this host was away: it has to go.
    std::function<void(const std::string& endpoint_id)> lose;
  };

  /// Opens the store; does not wait for it. All outlive this. Throws std::invalid_argument (no
  /// VTEP), std::runtime_error (the engine isn't installed).
  ClusterMember(const ClusterConfig& config, Controller& controller, ControlGate gate,
                cluster::Mirror::Post post, Workers& workers, Verbs verbs);
  ~ClusterMember();
  ClusterMember(const ClusterMember&) = delete;
  ClusterMember& operator=(const ClusterMember&) = delete;

  /// After the controller's start.
  void start();
  /// Others see at once that this host is away. Nothing else changes.
  void stop();

  /// The cluster's books. Throws Error (unavailable) before the first join.
  cluster::Ledger& ledger();
  const cluster::Keys& keys() const { return keys_; }
  SharedStore& store() { return *store_; }
  /// What a verb says when the store did not do its part.
  Error explain(const StoreError& error) const;
  /// The link to the other hosts may have changed. Any thread.
  void links_changed(const sandbox::LinkNotices& notices);
  /// What keeps packets from passing to other hosts. On the control thread.
  std::vector<Finding> examine() const;
  /// On any thread.
  std::vector<PathProbes::Result> paths() const { return probes_.results(); }
  /// Gives up a host that is not live. Throws Error.
  void give_up(const std::string& host);

  /// This host has a key for encrypted networks, and the others can know it. Throws Error
  /// (unavailable: this host can't encrypt, with the remedy), StoreError.
  void prepare_encryption();
  /// Begins to change this host's key; the new one is used when all hosts know it. Throws Error,
  /// StoreError.
  void rotate_key();

  struct State {
    bool joined = false;                                // at least once since netd began
    bool live = false;                                  // … and it reaches the store
    std::string problem;                                // why not
    std::optional<std::chrono::seconds> since_contact;  // since the store answered last, also if
                                                        // it was an earlier netd of this host
    std::string cluster;
    std::string host;
    Vtep vtep;
    std::uint16_t port = 0;
  };
  State state() const;

 private:
  void run();
  void keep_lease();
  void attempt(const std::function<void()>& act);
  void join();
  void catch_up();
  void recall();
  void make_overlays(const cluster::Meta& meta);
  void follow(const cluster::Membership::Joined& joined);
  void save();
  cluster::HostInfo describe(const Vtep& vtep) const;
  void look_around();
  /// How much of the books is looked at: all of them once a host is back, a share of them each
  /// minute.
  enum class Extent { all, share };
  void heal(Extent extent);
  std::vector<std::string> networks_to_heal(Extent extent);
  void heal_network(const std::string& network_id);
  void look_at_underlay();
  void probe_paths();
  // cluster_encryption.cpp
  void look_after_keys();
  void attempt_with_keys(const std::function<void()>& act);
  void acknowledge_keys();
  void use_next_key();
  void publish();
  void give_up_hosts();
  bool wait(std::chrono::milliseconds time);
  std::optional<std::chrono::seconds> since_contact() const;
  void note_contact();
  void note_problem(const std::string& problem);

  const ClusterConfig& config_;
  Controller& controller_;
  ControlGate gate_;
  cluster::Mirror::Post post_;
  Workers& workers_;
  Verbs verbs_;
  cluster::Keys keys_;
  Vtep vtep_;
  std::unique_ptr<SharedStore> store_;
  std::string host_;                               // set before `thread_` begins
  std::optional<cluster::Membership> membership_;  // the same
  std::unique_ptr<cluster::Ledger> ledger_;
  std::optional<cluster::Memory> memory_;  // the control thread's
  std::unique_ptr<Overlays> overlays_;     // the control thread's
  PathProbes probes_;                      // thread_'s, but for results()
  std::atomic<bool> underlay_changed_ = false;
  const std::uint32_t vtep_index_;  // of the link that the tunnels are on

  std::mutex place_mutex_;  // one at a time changes what the others are told of this host
  std::optional<cluster::HostEncryption> encryption_;  // guarded by place_mutex_, as the next two
  std::map<std::string, std::string> expects_;         // next keys of other hosts
  bool has_key_ = false;                               // … and its address inside is claimed
  bool published_ = false;                             // what the store says of this host is true

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool stopping_ = false;  // guarded by mutex_, as all below
  bool joined_ = false;
  std::optional<cluster::Meta> meta_;
  std::string problem_;
  bool is_away_ = false;  // … is that the store does not answer
  std::optional<std::chrono::steady_clock::time_point> contact_;
  std::optional<cluster::Memory::Clock::time_point> last_contact_;  // an earlier netd's
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  cluster::Membership::Joined joined_as_;  // thread_'s
  std::string key_problem_;                // thread_'s: said last
  std::string healed_;      // thread_'s: the last of the networks without endpoints here
  bool caught_up_ = false;  // thread_'s: what others have is followed, what was missed is put right
  std::thread thread_;
  std::thread keeper_;  // of the lease
};

}  // namespace netd
