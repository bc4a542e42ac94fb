// What a container engine has asked of netd's IPAM and not put to use: pools that have no network
// yet, addresses that no endpoint has yet, or has any more. The plugin protocol asks for both
// before it says what they are for (libnetwork.md 2.6), so they are on record of their own:
//
//     pool/<id>              a pool, with its network once that is made
//     address/<pool>/<ip>    an address that neither a network nor an endpoint owns
//
// An engine that is killed in between never says that it does not want them any more. They are
// given up when the process that asked is gone, never by age.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "netd/addresses.h"
#include "netd/store.h"
#include "sandbox/process.h"

namespace netd {

/// IpamDriver.RequestPool
struct PoolAsk {
  PoolRequest pool;
  bool ipv6 = false;
  std::string network;  // `--ipam-opt io.netd.network`; empty = netd's own pools
  std::optional<sandbox::ProcessIdentity> process;
};

/// IpamDriver.RequestAddress
struct AddressAsk {
  std::string pool;
  std::optional<ipam::Address> address;
  std::string name;  // the container's, where the engine says it
  bool gateway = false;
  std::optional<sandbox::ProcessIdentity> process;
};

struct ClaimedPool {
  std::string id;
  ipam::Prefix subnet;
  std::optional<ipam::Prefix> range;
  bool leased = false;     // netd chose the subnet
  std::string network_id;  // empty: not made yet
  std::optional<sandbox::ProcessIdentity> process;

  /// Whose addresses `Addresses` keeps: the network's or the claim's.
  const std::string& holder() const { return network_id.empty() ? id : network_id; }
};

struct ClaimedAddress {
  std::string pool;
  ipam::Address address;
  std::string name;
  bool gateway = false;
  std::optional<sandbox::ProcessIdentity> process;
  bool chosen = false;  // by netd: none in particular was asked for
};

class EngineClaims {
 public:
  EngineClaims(Store& store, Addresses& addresses) : store_(store), addresses_(addresses) {}

  /// Boot, after the networks' addresses are reserved: what is stored. With another host identity
  /// only the pools of networks count.
  void load(bool same_host);

  /// Throws as Addresses::open.
  ClaimedPool open_pool(const std::string& id, const PoolAsk& ask,
                        const Addresses::Request& request);
  /// Gone already = done. The subnet of a network stays leased until the network is removed.
  void close_pool(const std::string& id);
  const ClaimedPool* find_pool(const std::string& id) const;

  /// The address with its subnet's length. What was asked for before and not used is given again:
  /// an engine repeats a call whose answer it has not read. Throws Error, drivers::Refused.
  ipam::Prefix take_address(const AddressAsk& ask);
  /// Gives back what no endpoint and no network owns. Anything else = done.
  void release_address(const std::string& pool, const ipam::Address& address);

  /// The claim for a subnet of a network that is about to be made, or null: one of the same engine
  /// first, one that holds the gateway next.
  const ClaimedPool* find_claim(const ipam::Prefix& subnet,
                                const std::optional<ipam::Address>& gateway,
                                const std::optional<sandbox::ProcessIdentity>& process) const;
  /// Whether nobody named that gateway: an engine that can't ask whether one is needed (before 28)
  /// takes one for every network.
  bool is_chosen_gateway(const std::string& pool, const ipam::Address& address) const;
  /// The claims are the network's from now on, and so are `owned` addresses (gateway, auxiliary),
  /// which are taken where the engine has not asked for them. Stored before the network is: a claim
  /// whose network never came is a claim again at the next start.
  void bind(const std::string& network_id, const std::vector<Addresses::Claim>& claims,
            const std::vector<ipam::Address>& owned);
  /// The network could not be made: undoes bind, but for the claims of `owned` addresses.
  void unbind(const std::vector<Addresses::Claim>& claims);
  /// The network is gone, and with it all that was asked of its pools.
  void drop_network(const std::string& network_id);

  /// An endpoint has the address: nobody else gives it back. False when the network's pools do not
  /// have it free or claimed.
  bool own(const std::string& network_id, const ipam::Address& address);
  /// The endpoint is gone: the address stays taken until the engine gives it back.
  void disown(const std::string& network_id, const ipam::Address& address,
              const std::optional<sandbox::ProcessIdentity>& process);

  /// Gives up what the processes asked for that `is_gone` says are gone: pools without a network,
  /// addresses. Returns how many.
  std::size_t give_up(const std::function<bool(const sandbox::ProcessIdentity&)>& is_gone);
  void clear();

 private:
  using AddressKey = std::pair<std::string, ipam::Address>;  // pool, address

  const ClaimedPool* pool_of(const std::string& network_id, const ipam::Address& address) const;
  const ClaimedAddress* find_again(const AddressAsk& ask) const;
  void put(const ClaimedAddress& claimed);
  void erase(const AddressKey& key);
  std::vector<Change> erase_addresses_of(const std::string& pool);

  Store& store_;
  Addresses& addresses_;
  std::map<std::string, ClaimedPool> pools_;
  std::map<AddressKey, ClaimedAddress> claimed_;
};

}  // namespace netd
