#include "netd/names.h"

#include <algorithm>

namespace netd {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

/// Whether the options set ndots above 0: then single labels are for the search list, not for an
/// upstream.
bool keeps_single_labels(const std::vector<std::string>& options) {
  return std::ranges::any_of(options, [](const std::string& option) {
    return option.starts_with("ndots:") && option != "ndots:0";
  });
}

}  // namespace

void Names::open_network(const drivers::Network& network) {
  std::vector<ipam::Prefix> subnets;
  for (const drivers::Pool& pool : network.pools)
    subnets.push_back(pool.subnet);
  auto zone = std::make_shared<const dns::Zone>(network.name, subnets);
  // Views hold the handle: a network that changes its name keeps it.
  if (const auto known = zones_.find(network.id); known != zones_.end())
    known->second->publish(std::move(zone));
  else
    zones_[network.id] = std::make_shared<dns::ZoneHandle>(std::move(zone));
}

void Names::close_network(const std::string& network_id) {
  zones_.erase(network_id);
}

void Names::publish(const EndpointRecord& endpoint) {
  if (endpoint.dns_names.empty()) return;
  dns::Host host{.endpoint_id = endpoint.endpoint.id, .names = endpoint.dns_names};
  for (const auto& address : {endpoint.endpoint.ipv4, endpoint.endpoint.ipv6})
    if (address) host.addresses.push_back(address->address);
  publish(endpoint.network_id, host);
}

void Names::withdraw(const EndpointRecord& endpoint) {
  if (!endpoint.dns_names.empty()) withdraw(endpoint.network_id, endpoint.endpoint.id);
}

void Names::publish(const std::string& network_id, const dns::Host& host) {
  if (const auto zone = zones_.find(network_id); zone != zones_.end())
    zone->second->publish(zone->second->load()->with(host));
}

void Names::withdraw(const std::string& network_id, const std::string& endpoint_id) {
  if (const auto zone = zones_.find(network_id); zone != zones_.end())
    zone->second->publish(zone->second->load()->without(endpoint_id));
}

dns::View Names::view(const ViewInput& input, const NameDefaults& defaults) const {
  dns::View view;
  for (const EndpointRecord* endpoint : input.endpoints) {
    if (!endpoint->dns_names.empty())
      if (const auto zone = zones_.find(endpoint->network_id); zone != zones_.end())
        view.zones.push_back(zone->second);
    for (const std::string& link : endpoint->spec.links) {
      const std::size_t colon = link.find(':');
      const std::string name = link.substr(0, colon);
      view.links[lower(colon == std::string::npos ? name : link.substr(colon + 1))] = name;
    }
  }
  const SandboxSpec& spec = input.sandbox->spec;
  // Servers that the user or a LAN named are asked from the sandbox; the host's only when the
  // sandbox may reach the outside at all (CVE-2024-29018).
  if (const auto& servers = !spec.dns.empty()           ? spec.dns
                            : !defaults.servers.empty() ? defaults.servers
                                                        : input.leased_servers;
      !servers.empty()) {
    view.forwarding = dns::Forwarding::sandbox;
    view.servers = servers;
  } else if (input.reaches_outside && !defaults.host_servers.empty()) {
    view.forwarding = dns::Forwarding::host;
    view.servers = defaults.host_servers;
  }
  view.forward_single_labels =
      !keeps_single_labels(spec.dns_options.empty() ? defaults.options : spec.dns_options);
  return view;
}

dns::View Names::view_of_network(const drivers::Network& network,
                                 const NameDefaults& defaults) const {
  dns::View view;
  view.zones.push_back(zones_.at(network.id));
  view.servers = defaults.servers.empty() ? defaults.host_servers : defaults.servers;
  if (!network.internal && !view.servers.empty()) view.forwarding = dns::Forwarding::host;
  view.forward_single_labels = !keeps_single_labels(defaults.options);
  return view;
}

void Names::clear() {
  zones_.clear();
}

std::vector<std::string> dns_names(const SandboxSpec& sandbox, const std::string& sandbox_id,
                                   const EndpointSpec& spec) {
  std::vector<std::string> candidates{sandbox.name};
  candidates.insert(candidates.end(), spec.aliases.begin(), spec.aliases.end());
  candidates.push_back(sandbox_id.substr(0, 12));
  candidates.push_back(sandbox.hostname);
  std::vector<std::string> names;
  std::vector<std::string> seen;
  for (std::string& name : candidates) {
    if (name.empty() || std::ranges::find(seen, lower(name)) != seen.end()) continue;
    seen.push_back(lower(name));
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace netd
