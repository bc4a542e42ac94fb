// The remote endpoints of one overlay network ("peers"): what the kernel is told of each, and the
// reconciler that keeps the kernel's tables equal to what is wanted.
//
// Of each peer the kernel has
//   tunnel     vxlan FDB     its MAC address → its host's tunnel address    permanent
//   forward    bridge FDB    its MAC address → the vxlan port               static sticky
//   neighbour  on the bridge each of its addresses → its MAC address        permanent
// and, where the network floods, a tunnel entry of 00:00:00:00:00:00 for each host. `sticky`: a
// container that sends from a peer's MAC address doesn't draw the peer's frames to itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ipam/address.h"

namespace sandbox {

struct Peer {
  ipam::Mac mac;
  std::vector<ipam::Address> addresses;
  ipam::Address vtep;  // of its host
  friend bool operator==(const Peer&, const Peer&) = default;
};

/// The network's links on this host, by index.
struct PeerLinks {
  std::uint32_t bridge = 0;
  std::uint32_t vxlan = 0;
  friend auto operator<=>(const PeerLinks&, const PeerLinks&) = default;
};

/// The three tables, as wanted or as read.
struct PeerTables {
  struct Tunnel {
    ipam::Address vtep;
    bool permanent = true;
    bool plain = true;  // without port, VNI or link of its own
    friend bool operator==(const Tunnel&, const Tunnel&) = default;
  };
  struct Forward {
    bool sticky = true;  // and static
    bool local = false;  // the bridge's own
    friend bool operator==(const Forward&, const Forward&) = default;
  };
  struct Neighbour {
    ipam::Mac mac;
    bool permanent = true;
    friend bool operator==(const Neighbour&, const Neighbour&) = default;
  };
  std::map<ipam::Mac, std::vector<Tunnel>> tunnels;  // several: of 00:00:00:00:00:00 only
  std::map<ipam::Mac, Forward> forwards;             // those on the vxlan port
  std::map<ipam::Address, Neighbour> neighbours;
  friend bool operator==(const PeerTables&, const PeerTables&) = default;
};

/// One message to the kernel.
struct PeerChange {
  enum class Table : std::uint8_t { tunnel, forward, neighbour };
  enum class Act : std::uint8_t {
    put,     // create, or replace what is there
    append,  // tunnel: one destination more
    erase,   // tunnel: that destination; an `address` of 0.0.0.0: all of them
  };
  Table table = Table::tunnel;
  Act act = Act::put;
  ipam::Mac mac;
  ipam::Address address;  // tunnel: the host's; neighbour: the peer's
  friend bool operator==(const PeerChange&, const PeerChange&) = default;
};

/// "put tunnel 02:42:0a:01:00:02 to 192.0.2.2", "erase neighbour 10.1.0.2"
std::string to_text(const PeerChange& change);

/// From `have` to `want`: what is new or differs is put, in the order tunnel, forward, neighbour;
/// then what is too much is erased, the other way round. A destination that moves is replaced, and
/// what is right is not touched. Not ours, so never erased: neighbours that aren't permanent, and
/// the bridge's own (local) addresses.
std::vector<PeerChange> difference(const PeerTables& have, const PeerTables& want);

/// What came of some changes. A failure is "ACT: the kernel's words: ERROR".
struct PeerOutcome {
  std::vector<std::string> failures;
  bool lost = false;  // the kernel dropped answers (ENOBUFS): which changes failed isn't known
};

/// The kernel's tables: linux_peers.h, and in memory in tests/support.
class Peers {
 public:
  virtual ~Peers() = default;
  /// What is there for these links. A link that is gone has nothing. Throws std::system_error.
  virtual PeerTables read(const PeerLinks& links) = 0;
  /// Carries the changes out, each for itself. To erase what is gone is no failure. Throws
  /// std::system_error when nothing can be sent at all.
  virtual PeerOutcome change(const PeerLinks& links, const std::vector<PeerChange>& changes) = 0;
};

/// An address whose MAC address is another now: containers have the old one in their own tables,
/// which nothing here covers.
struct MovedAddress {
  ipam::Address address;
  ipam::Mac mac;
  friend bool operator==(const MovedAddress&, const MovedAddress&) = default;
};

struct PeerReport {
  std::size_t changed = 0;  // messages to the kernel; of an audit: what it had to repair
  std::vector<std::string> failures;
  std::vector<MovedAddress> moved;
  bool lost = false;  // as in PeerOutcome
};

/// The reconciler of one network. Peers go by a key of the caller's (the endpoint). Several may
/// have one MAC address or, while a change is under way, one address: the peer put last counts, and
/// an entry goes with its last user. One thread at a time.
class PeerTable {
 public:
  /// `floods`: unknown destinations, multicast and broadcast go to all hosts that have peers.
  PeerTable(Peers& kernel, PeerLinks links, bool floods = false)
      : kernel_(kernel), links_(links), floods_(floods) {}
  PeerTable(const PeerTable&) = delete;
  PeerTable& operator=(const PeerTable&) = delete;

  /// Adds or changes a peer; the kernel is told what that changes, in one send.
  PeerReport put(const std::string& key, const Peer& peer);
  /// Removes a peer; none of that key = done.
  PeerReport erase(const std::string& key);

  /// Replaces all peers (later ones count more), and audits. For a start, or after a resync.
  PeerReport assign(const std::vector<std::pair<std::string, Peer>>& peers);
  /// What an audit would change now; for a dry run or a guard against mass deletes.
  std::vector<PeerChange> difference() const;
  /// As difference, but if these were all the peers: for a guard before assign().
  std::vector<PeerChange> difference(const std::vector<std::pair<std::string, Peer>>& peers) const;
  /// Reads the kernel's tables and repairs what differs. What is right is not touched.
  PeerReport audit();

  const PeerLinks& links() const { return links_; }
  std::size_t size() const { return peers_.size(); }
  /// A change failed, or its outcome isn't known: audit soon.
  bool suspect() const { return suspect_; }

 private:
  struct Entry {
    Peer peer;
    std::uint64_t order = 0;
  };
  /// What one peer can have an influence on.
  struct Scope {
    std::set<ipam::Mac> macs;
    std::set<ipam::Address> addresses;
    std::set<ipam::Address> vteps;
    void add(const Peer& peer);
  };

  void insert(const std::string& key, const Peer& peer);
  void remove(std::map<std::string, Entry>::iterator entry);
  PeerTables wanted() const;
  PeerTables wanted(const Scope& scope) const;
  void want(const ipam::Mac& mac, PeerTables& tables) const;
  void want(const ipam::Address& address, PeerTables& tables) const;
  PeerReport carry_out(const PeerTables& before, const PeerTables& after);

  Peers& kernel_;
  PeerLinks links_;
  bool floods_;
  bool suspect_ = false;
  std::uint64_t next_order_ = 0;
  std::map<std::string, Entry> peers_;
  std::multimap<ipam::Mac, const Entry*> by_mac_;
  std::multimap<ipam::Address, const Entry*> by_address_;
  std::map<ipam::Address, std::size_t> vteps_;  // peers at each host
};

class Kernel;
/// Tells the containers of this host, in the background (gratuitous ARP, unsolicited NA).
void announce(Kernel& kernel, const PeerLinks& links, const std::vector<MovedAddress>& moved);

}  // namespace sandbox
