// The cluster as this host sees it: its networks, hosts and endpoints, and what follows from them
// for this host's records, kernel tables and names. Written by what the mirrors tell
// (cluster/mirror.h), on the control thread, as everything here.
//
// Nothing of it depends on the store's being there: what was told last holds, also for a netd that
// starts meanwhile (cluster/memory.h). The kernel's tables then stay as they are until the store is
// heard.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "netd/cluster/keys.h"
#include "netd/cluster/memory.h"
#include "netd/cluster/mirror.h"
#include "netd/cluster/values.h"
#include "netd/controller_state.h"
#include "netd/encryption.h"
#include "sandbox/link_watch.h"
#include "sandbox/peers.h"

namespace netd {

inline constexpr std::string_view overlay_driver = "overlay";

class Overlays {
 public:
  /// This host in the cluster.
  struct Self {
    std::string host;
    ipam::Address vtep;
    std::uint16_t port = 0;
    std::uint32_t mtu = 0;  // of the link that the VTEP is on
  };
  using Listener = cluster::Mirror::Listener;
  /// Begins to mirror what is below a prefix of the cluster's store.
  using Follow = std::function<std::unique_ptr<cluster::Mirror>(std::string prefix, Listener)>;

  /// Knows what was heard last. `memory` outlives this.
  Overlays(Controller::State& state, cluster::Keys keys, Self self, Follow follow,
           cluster::Memory& memory);
  Overlays(const Overlays&) = delete;
  Overlays& operator=(const Overlays&) = delete;

  /// Once, when this host is a member: from now on the store is heard.
  void begin();
  bool has_begun() const { return begun_; }
  /// Some of it is what was known when netd ran last.
  bool is_stale() const;

  const Self& self() const { return self_; }
  void set_underlay_mtu(std::uint32_t mtu) { self_.mtu = mtu; }

  // --- networks
  /// A network of the cluster becomes one of this host's; nothing happens when it is. Nothing of it
  /// is in the kernel until a sandbox joins.
  void learn(const cluster::Network& network);
  /// It was removed. With endpoints here it stays until they have left.
  void forget(const std::string& network_id);
  /// Networks of the cluster that can't be this host's, and why.
  const std::map<std::string, std::string>& unusable() const { return unusable_; }

  // --- encryption
  Encryption& encryption() { return encryption_; }
  const Encryption& encryption() const { return encryption_; }
  /// Whether any network of the cluster is encrypted: then this host has to have a key.
  bool needs_key() const;
  /// This host's address inside encrypted tunnels is another: its tunnels end there now.
  void move_encrypted_tunnels();
  /// Links of the host changed.
  void links_changed(const sandbox::LinkNotices& notices);

  // --- joining
  /// Puts the network's links into the kernel and begins to follow its endpoints. `ready` is called
  /// when those that were there are in the kernel, perhaps at once. Throws what the kernel refuses;
  /// Error when the underlay is too small.
  void bring_up(const std::string& network_id, std::function<void()> ready);
  /// Takes away what bring_up() made, when no endpoint of this host is left there.
  void bring_down_if_unused(const std::string& network_id);
  /// Addresses on that network as far as they are known here.
  std::vector<ipam::Address> taken(const std::string& network_id) const;

  // --- hosts
  struct Host {
    std::optional<cluster::HostInfo> info;
    bool live = false;
    bool given_up = false;
    std::chrono::steady_clock::time_point given_up_at;  // when this host heard of it
    std::chrono::steady_clock::time_point seen;         // when it was live last, or this netd began
  };
  const std::map<std::string, Host>& hosts() const { return hosts_; }
  /// False: they are those of netd's last run, and which of them are live is not known.
  bool hosts_told() const { return hosts_told_; }
  /// Hosts that have not been live for so long, or whose giving up was begun and not ended, as far
  /// as it is this host's turn to see to it.
  std::vector<std::string> hosts_to_give_up(std::chrono::seconds after) const;

  // --- what is in the cluster
  struct Remote {
    cluster::Endpoint endpoint;
    bool reachable = false;  // its host's VTEP is known
  };
  /// Endpoints of other hosts; of networks that are up here.
  std::vector<Remote> remote_endpoints(const std::string& network_id) const;
  bool is_up(const std::string& network_id) const { return followed_.contains(network_id); }
  /// The network's table of peers; null when it is not up.
  const sandbox::PeerTable* table(const std::string& network_id) const;

  /// The hosts, by tunnel address, that have endpoints on networks that are up here, and the size
  /// of the largest packets that these networks send them.
  std::map<ipam::Address, std::size_t> paths() const;

  /// Networks of the cluster that are not this host's: after a purge, or when what was in their way
  /// is gone.
  void learn_missing();
  /// Looks through the kernel and puts right what differs. Returns how much that was.
  std::size_t audit();
  std::size_t repaired() const { return repaired_; }

  /// The last revision that mirrors of networks and hosts were told.
  Revision revision() const { return revision_; }

 private:
  /// A network that is up.
  struct Followed {
    std::unique_ptr<cluster::Mirror> mirror;
    std::map<std::string, cluster::Endpoint> remote;  // by id
    bool encrypted = false;
    std::unique_ptr<sandbox::PeerTable> table;
    bool told = false;        // `remote` is what the store has
    bool programmed = false;  // … and the kernel, too
    std::vector<std::function<void()>> waiting;
  };
  using Entries = std::vector<Entry>;

  // networks
  bool take_networks(const Snapshot& snapshot, bool confirmed);
  void take_network(const std::string& id, const std::string& text);
  void change_network(const Watched& watched);
  void resume();
  void recall();
  void unfollow(const std::string& network_id);
  void move_tunnel(const std::string& network_id);
  void place_tunnel(NetworkRecord& record) const;
  void bring_up_encryption();
  void resume_encryption(bool used);
  void bring_down_encryption_if_unused();
  void encrypt();
  // hosts
  bool take_hosts(const Snapshot& snapshot, bool confirmed);
  void say_change(const std::string& id, bool was_live) const;
  void change_host(const Watched& watched);
  void note_host(const std::string& key, const std::optional<std::string>& value);
  void remember(const std::string& id, const std::map<std::string, Host>& before);
  std::chrono::seconds turn() const;
  void hosts_changed(const std::set<std::string>& moved);
  void admit_hosts();
  // the network's own DNS server (overlay_dns.cpp)
  void serve_names(const NetworkRecord& record);
  void make_name_service(const NetworkRecord& record, const std::string& netns,
                         const ipam::Address& address);
  void stop_serving(const NetworkRecord& record);
  // endpoints
  void follow(const NetworkRecord& record, std::function<void()> ready);
  std::unique_ptr<cluster::Mirror> mirror_of(const std::string& network_id);
  bool take_endpoints(const std::string& network_id, const Snapshot& snapshot, bool confirmed);
  void change_endpoint(const std::string& network_id, const Watched& watched);
  void program(Followed& network);
  void put(Followed& network, const cluster::Endpoint& endpoint);
  void drop(Followed& network, const std::string& network_id, const std::string& endpoint_id);
  std::optional<sandbox::Peer> peer_of(const Followed& network,
                                       const cluster::Endpoint& endpoint) const;
  void note(const sandbox::PeerReport& report, const Followed& network);
  std::size_t repair_links(const std::string& network_id);

  Controller::State& state_;
  cluster::Keys keys_;
  Self self_;
  Follow follow_;
  cluster::Memory& memory_;
  bool begun_ = false;
  Encryption encryption_;
  std::map<std::string, cluster::Network> networks_;
  std::map<std::string, std::string> unusable_;  // id -> why
  std::map<std::string, Host> hosts_;
  std::map<std::string, Followed> followed_;  // by network id
  std::set<ipam::Address> admitted_;          // VTEPs in the firewall's list
  bool guarded_ = false;                      // … and that list holds for the tunnels' port
  bool hosts_told_ = false;
  bool networks_told_ = false;
  std::set<std::string> loose_;  // networks whose bridge was made anew, and ports are not all in it
  std::size_t repaired_ = 0;
  Revision revision_ = 0;
  std::unique_ptr<cluster::Mirror> network_mirror_;
  std::unique_ptr<cluster::Mirror> host_mirror_;
};

/// The endpoint as the cluster's books have it.
cluster::Endpoint in_cluster(const EndpointRecord& record, const std::string& host);

/// Puts the host's ends of endpoints into their bridge again. Returns what could not be done.
std::vector<std::string> attach_ports(sandbox::Kernel& kernel,
                                      const std::vector<const EndpointRecord*>& endpoints);

/// VTEPs that the firewall let in when netd ran last, from the store: until the cluster is heard
/// again.
std::vector<sandbox::Element> admitted_hosts(Store& store);

/// What the firewall has of the cluster when netd starts, before the cluster is heard: those, and
/// what keeps encrypted networks shut.
std::vector<sandbox::Element> cluster_elements(Store& store, sandbox::Kernel& kernel);

}  // namespace netd
