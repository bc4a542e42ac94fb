// What netd was told of its cluster: --cluster and what goes with it (docs/overlay.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipam/address.h"

namespace netd {

struct ClusterConfig {
  /// "etcd://HOST:PORT[,HOST:PORT…]"; empty = this host is in no cluster.
  std::string store;
  std::string prefix = "/netd/v1";
  std::string ca;  // TLS: PEM files
  std::string cert;
  std::string key;
  bool insecure = false;  // a store that isn't on this host, without TLS
  std::string vtep;       // an address or interface of this host; empty = towards the store
  std::optional<std::uint16_t> vxlan_port;
  std::uint16_t wireguard_port = 51871;  // of this host's encrypted tunnels
  std::chrono::seconds dead_after{600};  // 0 = never

  bool is_member() const { return !store.empty(); }
  bool has_tls() const { return !ca.empty() || !cert.empty(); }
};

/// "HOST:PORT" of each endpoint of the store; the port is 2379 where none is given. Throws
/// std::invalid_argument.
std::vector<std::string> store_endpoints(const ClusterConfig& config);

/// Refuses what does not fit together. Throws std::invalid_argument with the remedy.
void check_cluster(const ClusterConfig& config);

/// Where a host's tunnels end.
struct Vtep {
  ipam::Address address;
  std::string link;
  std::uint32_t mtu = 0;
};

/// The address that --vtep means, or the one that this host uses towards the store's first
/// endpoint. Throws std::invalid_argument when there is no such address, or it is a loopback one.
Vtep find_vtep(const ClusterConfig& config);

}  // namespace netd
