#include "netd/model.h"

#include "netd/value_json.h"

// Records are written by netd for netd: field names are the members' names, absent fields are their
// defaults, so a newer netd reads what an older one wrote.

namespace sandbox {
NLOHMANN_JSON_SERIALIZE_ENUM(Protocol, {{Protocol::tcp, "tcp"},
                                        {Protocol::udp, "udp"},
                                        {Protocol::sctp, "sctp"}})
}

namespace drivers {
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Pool, subnet, gateway, range, auxiliary)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(HostAccess, link, index, mac, addresses,
                                                host_addresses)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Parent, kind, base, vlan, peer, mtu, host_access)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Tunnel, link, index, mac, vni, port, local, mtu)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Network, id, name, driver, ipv4, ipv6, internal,
                                                beside_engine, leased, options, pools, link_name,
                                                link_index, link_mac, adopted_link,
                                                adopted_addresses, parent, tunnel, vrf_index)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Port, protocol, container_port, host_address,
                                                host_port)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(StaticRoute, destination, next_hop, metric, type)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Joined, source_link, gateway4, gateway6, routes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Learned, gateway, routes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Endpoint, id, host_link, sandbox_link, host_index,
                                                sandbox_index, host_mac, mac, ipv4, ipv6,
                                                link_local, options, ports, joined, learned)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Sandbox, id, netns)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PortBinding, protocol, container_port, host_address,
                                                host_port_first, host_port_last)
}  // namespace drivers

namespace netd {
namespace {

using nlohmann::json;

/// The plans go by name: in a list of fields, json would not find the serializer of a variant.
void plans_to_json(json& j, const Progress& progress) {
  j["state"] = progress.state;
  j["plan"] = progress.plan;
  if (!progress.next.empty()) j["next"] = progress.next;
}

}  // namespace

NLOHMANN_JSON_SERIALIZE_ENUM(State, {{State::joining, "joining"},
                                     {State::joined, "joined"},
                                     {State::leaving, "leaving"}})

static void to_json(json& j, const Progress& progress) {
  plans_to_json(j, progress);
}
static void from_json(const json& j, Progress& progress) {
  j.at("state").get_to(progress.state);
  progress.plan = j.at("plan").get<sandbox::Plan>();
  if (const auto next = j.find("next"); next != j.end()) progress.next = next->get<sandbox::Plan>();
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PoolLease, pool_id, subnet, addresses)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RemoteNetwork, driver, ipam, created, requires_mac,
                                                address_space, leases)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RemoteEndpoint::Lease, pool_id, address)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RemoteEndpoint, leases, created, joined, external,
                                                claim)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EndpointSpec, ipv4, ipv6, link_local, aliases,
                                                links, mac, options, gateway_priority)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SandboxSpec, name, id, hostname, domainname,
                                                netns_path, pid, shared_with, ports, dns,
                                                dns_search, dns_options, extra_hosts, labels)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EngineNetwork, api, foreign_addresses, named)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NetworkRecord, network, created_nano, scope,
                                                attachable, ingress, config_only, config_from,
                                                ipam_driver, ipam_options, labels, predefined,
                                                engine, remote, progress)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EngineEndpoint, process, sandbox_key, netns_source,
                                                ports, external, network, container_id,
                                                container_name)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EndpointRecord, endpoint, network_id, sandbox_id,
                                                engine, spec, dns_names, order, remote, lease,
                                                progress)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SandboxRecord, sandbox, spec, created_nano,
                                                netns_source, owns_stack, dns_port, ports, progress)

std::string engine_name(const EndpointRecord& record) {
  if (record.engine && !record.engine->container_name.empty()) return record.engine->container_name;
  return record.endpoint.id.substr(0, 12);
}

std::string to_text(const NetworkRecord& record) {
  return json(record).dump();
}
std::string to_text(const EndpointRecord& record) {
  return json(record).dump();
}
std::string to_text(const SandboxRecord& record) {
  return json(record).dump();
}

void from_text(std::string_view text, NetworkRecord& record) {
  json::parse(text).get_to(record);
}
void from_text(std::string_view text, EndpointRecord& record) {
  json::parse(text).get_to(record);
}
void from_text(std::string_view text, SandboxRecord& record) {
  json::parse(text).get_to(record);
}

}  // namespace netd
