// Which subnets and addresses are in use: the allocator of subnets and one pool a subnet, rebuilt
// from the records at start. Texts of refusals are Docker's where its tests assert them
// (libnetwork.md 4).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipam/allocator.h"
#include "ipam/pool.h"
#include "netd/model.h"

namespace netd {

/// The requests about that family; one that leaves all open when there is none.
std::vector<PoolRequest> requests_of(const std::vector<PoolRequest>& requests, ipam::Family family);

class Addresses {
 public:
  explicit Addresses(std::vector<ipam::AddressPool> pools);

  /// What a network's pools become: chosen or checked subnets, leased; gateway and auxiliary
  /// addresses reserved. `reserved` are prefixes that automatic choice avoids. `name_of` tells
  /// whose subnet is in the way. All or nothing. Throws drivers::Refused, std::invalid_argument,
  /// Error.
  struct Request {
    std::string network_id;
    bool ipv4 = true;
    bool ipv6 = false;
    std::vector<PoolRequest> pools;
    std::vector<ipam::Prefix> reserved;
    std::function<bool(ipam::Family)> wants_gateway;
    std::function<std::string(const ipam::Prefix&)> name_of;
  };
  std::vector<drivers::Pool> open(const Request& request);
  /// The same for a network that is there already (boot). Conflicts are ignored: what is stored
  /// counts.
  void reopen(const std::string& network_id, const std::vector<drivers::Pool>& pools);

  // --- pools that an engine asks for before it makes the network for them (engine_claims.h). Until
  // --- then a claim stands where a network's id stands; addresses come from it just as well.
  /// The one pool of `request`. A subnet that netd chooses is leased; one that was named is only
  /// checked, so that a claim whose engine died is in nobody's way. Throws as open().
  ipam::Prefix open_claim(const Request& request, ipam::Family family);
  void reopen_claim(const std::string& claim, const ipam::Lease& lease, bool leased);
  struct Claim {
    std::string id;
    ipam::Lease lease;
  };
  /// The claims become a network's pools, with the addresses taken from them. All or nothing.
  void bind_claims(const std::string& network_id, const std::vector<Claim>& claims,
                   const std::function<std::string(const ipam::Prefix&)>& name_of);
  /// Undoes bind_claims.
  void unbind_claims(const std::string& network_id, const std::vector<Claim>& claims);
  /// An address of one subnet of a network or claim: `wanted`, else the first free one (for a
  /// gateway) or the next. Nothing when it is taken or the subnet is full.
  enum class Choice { next, first };
  std::optional<ipam::Address> take(const std::string& holder, const ipam::Prefix& subnet,
                                    const std::optional<ipam::Address>& wanted, Choice choice);

  /// Forgets a network or claim: its subnets are free.
  void close(const std::string& network_id);

  /// An address of that family on the network, with the subnet's length: `wanted`, or the next free
  /// one; nothing when the network has no subnet of the family. Throws Refused "Address already in
  /// use", std::invalid_argument, Error when the subnets are full.
  std::optional<ipam::Prefix> allocate(const NetworkRecord& network, ipam::Family family,
                                       const std::optional<ipam::Address>& wanted);
  /// Boot: an endpoint's stored address.
  void reserve(const std::string& network_id, const ipam::Address& address);
  void release(const std::string& network_id, const ipam::Address& address);

  /// The pools of a network; empty for an unknown one.
  const std::vector<ipam::Pool>& pools(const std::string& network_id) const;
  void clear();

 private:
  struct Leased {
    std::vector<ipam::Lease> leases;
    std::vector<ipam::Pool> pools;
  };

  drivers::Pool open_pool(const Request& request, const PoolRequest& wanted, ipam::Family family,
                          Leased& leased);
  ipam::Prefix lease_subnet(const Request& request, const PoolRequest& wanted, ipam::Family family,
                            Leased& leased);
  void release_leases(const Leased& leased);
  ipam::Pool* find_pool(const std::string& holder, const ipam::Prefix& subnet);

  std::vector<ipam::AddressPool> base_pools_;
  ipam::Allocator subnets_;
  std::map<std::string, Leased> networks_;
};

}  // namespace netd
