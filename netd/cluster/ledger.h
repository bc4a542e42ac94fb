// The cluster's books: networks, addresses and endpoints, entered and struck out in one transaction
// each, so that no two hosts ever hold the same. No locks: who finds something taken chooses again.
//
// All functions wait for the store (a few milliseconds, at most `patience`): call them on a worker
// thread. They throw netd::Error, which says what is in the way, and StoreError; `unknown` then
// means that the entry may stand in the books, now or later, and is to be struck out by its token
// (Ledger::remove_endpoint, remove_network).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "netd/cluster/keys.h"
#include "netd/cluster/values.h"
#include "netd/store.h"

namespace netd::cluster {

/// Addresses of one subnet that are taken as far as the asking host knows: a hint that saves tries.
using TakenAddresses = std::vector<ipam::Address>;

class Ledger {
 public:
  /// The condition that this host is a live member (Membership::fence), part of all its
  /// transactions.
  using Fence = std::function<Compare()>;

  Ledger(Store& store, Keys keys, std::string host, Fence fence,
         std::chrono::milliseconds patience = std::chrono::milliseconds(3500));

  struct TakenPool {
    ipam::Prefix subnet;
    std::string network;  // whose it is: the id
  };
  /// Subnets for a network, where `taken` are others'. Throws what refuses the user's wishes.
  using ChoosePools =
      std::function<std::vector<drivers::Pool>(const std::vector<TakenPool>& taken)>;
  /// `wanted.vni` 0: any; its pools are written here, and a token where it has none.
  Network add_network(Network wanted, const ChoosePools& choose);
  /// Nothing to do when it is not there, or (with a token) is not the one of that token. Throws
  /// Error (forbidden) that names the hosts that have endpoints there.
  void remove_network(const std::string& id, const std::string& token = {});

  /// What was asked of an endpoint; what is absent is chosen.
  struct EndpointRequest {
    std::optional<ipam::Address> ipv4;
    std::optional<ipam::Address> ipv6;
    std::optional<ipam::Mac> mac;
    /// The network's other families are left out.
    std::optional<ipam::Family> only = {};
  };
  /// `wanted` has id, network, names and token; host, addresses and MAC are written here. A MAC
  /// that nobody asked for is made of the IPv4 address, as Docker's are.
  Endpoint add_endpoint(Endpoint wanted, const EndpointRequest& request, TakenAddresses taken);
  /// Claims again exactly what `endpoint` has had: what nobody else has, or what is kept from
  /// others for its sake (give_up_host). Nothing to do when it has it still.
  void add_again(const Endpoint& endpoint);
  /// Enters `endpoint` with exactly its addresses and MAC, in one transaction with striking out
  /// `before`: entries of this host that hold them for it. What those do not hold (any more) has to
  /// be free. Host is written here.
  void exchange(Endpoint endpoint, std::vector<Endpoint> before);
  /// New names. False when it is not this endpoint that stands there.
  bool rename_endpoint(const Endpoint& endpoint);
  /// Nothing to do when it is not there, or stands there with another token.
  void remove_endpoint(const std::string& network, const std::string& id, const std::string& token);

 private:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  struct Known {
    Network network;
    Revision revision = 0;
    Time confirmed;  // when the store said last that it is so
  };
  std::optional<Entry> read(const std::string& key, Time end);
  Known find_network(const std::string& id, Time end);
  Known known_network(const std::string& id, Time end);
  void confirm(Known known);
  Outcome certainly(std::vector<Compare> compares, const std::vector<Change>& changes,
                    const std::string& key, const std::string& token, Time end);
  void check_wishes(const Network& wanted, bool any_vni, const Outcome& outcome);
  std::optional<ipam::Prefix> choose_address(const Network& network, ipam::Family family,
                                             const std::optional<ipam::Address>& wanted,
                                             const TakenAddresses& taken);
  [[noreturn]] void refuse(const ipam::Address& address, const std::string& network,
                           const std::string& holder);
  void avoid(const Endpoint& endpoint, const EndpointRequest& request, const Outcome& outcome,
             TakenAddresses& taken);
  TakenAddresses all_taken(const std::string& network);
  std::vector<Compare> entry_compares(const Endpoint& endpoint,
                                      const std::vector<Entry>& own = {}) const;
  std::vector<Change> entry_changes(const Endpoint& endpoint) const;
  void refuse_taken(const Endpoint& endpoint, const std::vector<Entry>& others) const;
  std::uint64_t random();

  Store& store_;
  Keys keys_;
  std::string host_;
  Fence fence_;
  std::chrono::milliseconds patience_;
  std::mutex random_mutex_;
  std::mt19937_64 random_{std::random_device{}()};
  std::mutex known_mutex_;
  std::map<std::string, Known> known_;  // guarded by known_mutex_: networks as they were read last
};

/// The keys that an endpoint stands under: its own, its addresses', its MAC's.
std::vector<std::string> keys_of(const Keys& keys, const Endpoint& endpoint);

/// What stands under its addresses and its MAC.
std::string holder_text(const Endpoint& endpoint);

/// 32 hex digits.
std::string make_token();

}  // namespace netd::cluster
