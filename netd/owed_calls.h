// What plugins are still to be told of objects that are going or gone. Written to the store before
// the object is touched, so that a plugin that is dead, or a netd that is killed, forgets nothing:
//
//     owed/<network or endpoint id>    [{"plugin","method","arguments"}, …], in the order of
//     telling
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "netd/model.h"
#include "netd/store.h"

namespace netd {

struct OwedCall {
  std::string plugin;
  std::string method;  // "NetworkDriver.Leave"
  nlohmann::json arguments;

  /// Leave and what comes before it: told while the interface is still in the sandbox.
  bool is_parting() const;
  /// Giving back to IPAM. Told twice, it could free what somebody else got meanwhile.
  bool is_release() const;
};
using OwedCalls = std::vector<OwedCall>;

/// Stands where a plugin's name stands: giving back what an endpoint has in the cluster's books.
inline constexpr std::string_view cluster_store = "cluster store";
inline constexpr std::string_view release_claim = "release";
inline constexpr std::string_view withdraw_network =
    "withdraw";  // one that was not made to the end

/// All that the plugins of an endpoint or a network are to be told when it goes; the data plane
/// first, IPAM last. Empty for netd's own.
OwedCalls owed_by(const EndpointRecord& endpoint, const NetworkRecord& network);
OwedCalls owed_by(const NetworkRecord& network);

/// The claim's part of it.
OwedCall claim_of(const EndpointRecord& endpoint);
/// An entry in the cluster's books is struck out, if it is the one with that token.
OwedCall release_of(const std::string& network, const std::string& endpoint,
                    const std::string& token);

/// Changes to the store; empty `calls` deletes the entry.
Change owed_change(const std::string& id, const OwedCalls& calls);
/// All entries: object id and calls, endpoints before networks. What can't be understood is left
/// out.
std::vector<std::pair<std::string, OwedCalls>> load_owed(Store& store);
/// Forgets all of them but the claims: those are other hosts' business.
void drop_owed(Store& store);

}  // namespace netd
