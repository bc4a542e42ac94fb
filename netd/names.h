// Who is called what, as the embedded DNS server sees it: one zone a network, one view a sandbox
// (libnetwork.md 5.2). The control thread writes here; the DNS thread reads the published values.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dns/zone.h"
#include "netd/model.h"

namespace netd {

/// What a sandbox's view is made of.
struct ViewInput {
  const SandboxRecord* sandbox = nullptr;
  std::vector<const EndpointRecord*> endpoints;  // in the order of their priority
  bool reaches_outside = false;                  // some endpoint gives a default route
  std::vector<ipam::Address> leased_servers{};   // that DHCP servers of its LANs named, in order
};

/// Upstream servers and options that hold where a sandbox has none of its own.
struct NameDefaults {
  std::vector<ipam::Address> host_servers;  // of the host's resolv.conf
  std::vector<ipam::Address> servers;       // the daemon's --dns
  std::vector<std::string> options;         // the daemon's --dns-opt, else the host's
};

class Names {
 public:
  /// An empty zone, also in the place of the one it has.
  void open_network(const drivers::Network& network);
  void close_network(const std::string& network_id);
  /// Puts an endpoint's names into its network's zone, replacing what it had there.
  void publish(const EndpointRecord& endpoint);
  void withdraw(const EndpointRecord& endpoint);
  /// The same for an endpoint of another host.
  void publish(const std::string& network_id, const dns::Host& host);
  void withdraw(const std::string& network_id, const std::string& endpoint_id);

  dns::View view(const ViewInput& input, const NameDefaults& defaults) const;
  /// What a network's own server answers: the network's names, and what the host's servers know
  /// unless the network is internal.
  dns::View view_of_network(const drivers::Network& network, const NameDefaults& defaults) const;
  void clear();

 private:
  std::map<std::string, std::shared_ptr<dns::ZoneHandle>> zones_;
};

/// The names of an endpoint, the PTR name first: the sandbox's name, its aliases, its short id, its
/// hostname; lower-case duplicates left out.
std::vector<std::string> dns_names(const SandboxSpec& sandbox, const std::string& sandbox_id,
                                   const EndpointSpec& spec);

}  // namespace netd
