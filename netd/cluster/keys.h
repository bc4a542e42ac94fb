// Where a cluster's objects stand in the store that its hosts share (docs/overlay.md, "What is in
// etcd"):
//
//     meta                              what all hosts agree on (Meta)
//     net/<network>                     a network (Network)
//     netname/<name>                    its id
//     vni/<6 hex>                       the id of the network that has this VXLAN network
//     pool/<subnet>                     the id of the network that has this subnet
//     poolgen                           changes with every change of pools
//     ip/<network>/<address, hex>       who has an address (Holder)
//     mac/<network>/<mac>               who has a MAC address (Holder)
//     ep/<network>/<host>/<endpoint>    an endpoint (Endpoint)
//     inside/<address, hex>             the host that has this address in encrypted tunnels
//     host/<host>/info                  a host (HostInfo)
//     host/<host>/live                  … that answers: gone 15 s after its netd is (HostLive)
//     host/<host>/dead                  … that was given up
//
// Endpoints and addresses never carry a lease: a netd that is away takes nothing from its
// containers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipam/address.h"

namespace netd::cluster {

class Keys {
 public:
  /// `prefix`: "/netd/v1" or "/netd/v1/"; throws std::invalid_argument unless it begins with '/'.
  explicit Keys(std::string prefix);

  const std::string& prefix() const { return prefix_; }
  std::string meta() const { return prefix_ + "meta"; }

  std::string networks() const { return prefix_ + "net/"; }
  std::string network(std::string_view id) const;
  std::string network_name(std::string_view name) const;
  std::string vnis() const { return prefix_ + "vni/"; }
  std::string vni(std::uint32_t vni) const;
  std::string pools() const { return prefix_ + "pool/"; }
  std::string pool(const ipam::Prefix& subnet) const;
  std::string pool_generation() const { return prefix_ + "poolgen"; }

  std::string addresses(std::string_view network) const;
  std::string address(std::string_view network, const ipam::Address& address) const;
  std::string mac(std::string_view network, const ipam::Mac& mac) const;
  std::string all_endpoints() const { return prefix_ + "ep/"; }
  std::string endpoints(std::string_view network) const;
  std::string endpoint(std::string_view network, std::string_view host,
                       std::string_view endpoint) const;

  std::string insides() const { return prefix_ + "inside/"; }
  std::string inside(const ipam::Address& address) const;
  std::string hosts() const { return prefix_ + "host/"; }
  std::string host_info(std::string_view host) const;
  std::string host_live(std::string_view host) const;
  std::string host_dead(std::string_view host) const;

  /// What a key below endpoints(), addresses() or hosts() says; nothing for a key of another shape.
  struct EndpointKey {
    std::string network, host, endpoint;
  };
  std::optional<EndpointKey> parse_endpoint(std::string_view key) const;
  std::optional<ipam::Address> parse_address(std::string_view key) const;
  struct HostKey {
    std::string host, what;  // "info", "live", "dead"
  };
  std::optional<HostKey> parse_host(std::string_view key) const;
  /// "net/<id>" -> id.
  std::optional<std::string> parse_network(std::string_view key) const;
  std::optional<ipam::Prefix> parse_pool(std::string_view key) const;

 private:
  std::string prefix_;
};

}  // namespace netd::cluster
