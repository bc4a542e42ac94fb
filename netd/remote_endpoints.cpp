// Joining networks of which some are plugins' (libnetwork.md 2.6, "container start", "network
// connect"): all or nothing.
#include <fmt/format.h>

#include <algorithm>

#include "drivers/options.h"
#include "netd/log.h"
#include "netd/overlays.h"
#include "netd/remote_verbs.h"

namespace netd {
namespace {

bool contains(const std::vector<std::string>& ids, const std::string& id) {
  return std::ranges::find(ids, id) != ids.end();
}

std::optional<ipam::Mac> mac_of(const EndpointRecord& record) {
  return record.endpoint.mac == ipam::Mac{} ? std::nullopt : std::optional(record.endpoint.mac);
}

/// A plugin gives a link that nobody uses: not one of netd's, not one that the host talks through.
void check_link(const std::string& about, const std::optional<sandbox::LinkFacts>& link,
                const std::string& name) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::internal,
                fmt::format("{}: InterfaceName.SrcName: {}: {}", about, name, why));
  };
  if (!link) refuse("there is no such link in netd's network namespace");
  if (link->alias.starts_with("netd:")) refuse("this link is netd's own");
  if (link->kind == "bridge") refuse("a bridge does not go into a sandbox");
  const auto is_hosts = [](const ipam::Prefix& own) { return !own.address.is_link_local(); };
  if (std::ranges::any_of(link->addresses, is_hosts))
    refuse("the host uses this link, it has addresses there");
}

}  // namespace

std::vector<std::string> RemoteVerbs::begin_attach(const std::string& sandbox_id,
                                                   const Attachments& attachments) {
  const SandboxRecord& sandbox = controller_.sandbox_by_id(sandbox_id);
  state().check_not_leaving(sandbox);
  Undo undo;
  std::vector<EndpointRecord> endpoints = state().endpoints_staying(sandbox_id);
  const std::size_t first_new = endpoints.size();
  for (const auto& [network_id, spec] : attachments)
    endpoints.push_back(
        state().prepare(state().network(network_id, Purpose::use), sandbox, spec, endpoints, undo));
  std::vector<std::string> ids;
  for (std::size_t i = first_new; i < endpoints.size(); ++i) {
    ids.push_back(endpoints[i].endpoint.id);
    state().write(endpoints[i]);
  }
  undo.dismiss();
  return ids;
}

void RemoteVerbs::request_address(Asked& asked, ipam::Family family) {
  const bool v4 = family == ipam::Family::v4;
  const auto& wanted = v4 ? asked.endpoint.spec.ipv4 : asked.endpoint.spec.ipv6;
  const auto& leases = asked.network.remote.leases;
  const auto pool = std::ranges::find_if(leases, [&](const PoolLease& lease) {
    return lease.subnet.family() == family && (!wanted || lease.subnet.contains(*wanted));
  });
  if (pool == leases.end()) return;
  const std::string& plugin = asked.network.ipam_driver;
  const auto mac = asked.network.remote.requires_mac ? mac_of(asked.endpoint) : std::nullopt;
  const auto request =
      plugin::endpoint_request(pool->pool_id, wanted, asked.sandbox.spec.name, mac);
  const ipam::Prefix leased =
      plugins_.ask(plugin, "IpamDriver.RequestAddress", &request, plugin::read_address);
  asked.endpoint.remote.leases.push_back({pool->pool_id, leased.address});
  (v4 ? asked.endpoint.endpoint.ipv4 : asked.endpoint.endpoint.ipv6) = leased;
  gate_.run([&] { state().write(asked.endpoint); });
  if (leased.family() != family || (wanted && leased.address != *wanted))
    throw Error(ErrorKind::internal,
                fmt::format("plugin {}: IpamDriver.RequestAddress: {} is not what was asked for",
                            plugin, leased.to_string()));
}

void RemoteVerbs::request_addresses(Asked& asked) {
  for (const ipam::Family family : {ipam::Family::v4, ipam::Family::v6})
    request_address(asked, family);
}

void RemoteVerbs::create_endpoint(Asked& asked) {
  EndpointRecord& record = asked.endpoint;
  const std::string& plugin = asked.network.network.driver;
  const plugin::Interface known{record.endpoint.ipv4, record.endpoint.ipv6, mac_of(record)};
  const auto request = plugin::endpoint_creation(record, asked.sandbox.spec,
                                                 asked.network.network.internal, known.mac);
  record.remote.created = true;
  gate_.run([&] { state().write(record); });
  try {
    const plugin::Interface chosen =
        plugins_.ask(plugin, "NetworkDriver.CreateEndpoint", &request,
                     [&](const auto& reply) { return plugin::read_interface(reply, known); });
    if (chosen.ipv4) record.endpoint.ipv4 = chosen.ipv4;
    if (chosen.ipv6) record.endpoint.ipv6 = chosen.ipv6;
    if (chosen.mac) record.endpoint.mac = *chosen.mac;
  } catch (const plugin::PluginError& error) {
    record.remote.created = error.may_have_acted();
    gate_.run([&] { state().write(record); });
    throw error.within(fmt::format("failed to create endpoint {} on network {}",
                                   asked.sandbox.spec.name, asked.network.network.name));
  }
}

std::string RemoteVerbs::join_endpoint(Asked& asked) {
  EndpointRecord& record = asked.endpoint;
  const std::string& plugin = asked.network.network.driver;
  const auto request =
      plugin::join_request(record, asked.sandbox.spec, asked.sandbox.sandbox.netns);
  record.remote.joined = true;
  gate_.run([&] { state().write(record); });
  plugin::JoinReply reply;
  try {
    reply = plugins_.ask(plugin, "NetworkDriver.Join", &request, plugin::read_join);
  } catch (const plugin::PluginError& error) {
    record.remote.joined = error.may_have_acted();
    gate_.run([&] { state().write(record); });
    throw;
  }
  record.endpoint.joined = reply.joined;
  gate_.run([&] { state().write(record); });
  if (!reply.joined.gateway4 && !reply.joined.gateway6 && !reply.disable_gateway_service &&
      !asked.network.network.internal)
    log::warn("the plugin gives no gateway: the sandbox has no default route by this network",
              {{"network", asked.network.network.name}, {"sandbox", asked.sandbox.spec.name}});
  return reply.prefix;
}

std::string RemoteVerbs::ask_for(const std::string& endpoint_id) {
  Asked asked = gate_.run([&] {
    const EndpointRecord& endpoint = *state().records.endpoint(endpoint_id);
    return Asked{endpoint, *state().records.network(endpoint.network_id),
                 *state().records.sandbox(endpoint.sandbox_id)};
  });
  if (asked.network.remote.ipam) request_addresses(asked);
  if (asked.network.network.driver == overlay_driver) {
    claim_endpoint(asked);
    bring_up(asked.network.network);
  }
  if (asked.network.network.leased)
    take_lease(asked);
  else if (detects_conflicts(asked.network.network))
    avoid_conflicts(asked);
  if (!asked.network.remote.driver) return "";
  plugins_.activate(asked.network.network.driver);
  create_endpoint(asked);
  return join_endpoint(asked);
}

void RemoteVerbs::claim_link(const SandboxRecord& sandbox, EndpointRecord& record,
                             const std::string& prefix, const std::vector<EndpointRecord>& others) {
  drivers::Endpoint& endpoint = record.endpoint;
  if (!endpoint.joined || endpoint.joined->source_link.empty()) return;
  const NetworkRecord& network = *state().records.network(record.network_id);
  const std::string about = fmt::format("plugin {}: NetworkDriver.Join", network.network.driver);
  const std::string& name = endpoint.joined->source_link;
  const auto link = state().kernel.find_link("", name);
  check_link(about, link, name);
  if (endpoint.mac == ipam::Mac{}) endpoint.mac = link->mac;
  if (prefix.empty() || endpoint.sandbox_link.starts_with(prefix)) return;
  if (!record.spec.options.contains(std::string(drivers::option_endpoint_interface)))
    endpoint.sandbox_link = state().choose_interface(prefix, sandbox, record.spec, others);
}

void RemoteVerbs::finish_attach(const std::string& sandbox_id,
                                const std::vector<std::string>& endpoint_ids,
                                const std::map<std::string, std::string>& prefixes) {
  const SandboxRecord sandbox = controller_.sandbox_by_id(sandbox_id);
  std::vector<EndpointRecord> endpoints = state().endpoints_staying(sandbox_id);
  // The order of joining: what is new stands last.
  const auto is_new = [&](const EndpointRecord& record) {
    return contains(endpoint_ids, record.endpoint.id);
  };
  const auto first_new = std::ranges::find_if(endpoints, is_new) - endpoints.begin();
  for (EndpointRecord& record : endpoints)
    if (is_new(record)) claim_link(sandbox, record, prefixes.at(record.endpoint.id), endpoints);
  state().join(sandbox, std::move(endpoints), static_cast<std::size_t>(first_new));
}

void RemoteVerbs::attach(const std::string& sandbox_id, const Attachments& asked) {
  const Attachments attachments = with_gateway(sandbox_id, asked);
  const auto endpoint_ids = gate_.run([&] { return begin_attach(sandbox_id, attachments); });
  try {
    std::map<std::string, std::string> prefixes;
    for (const std::string& id : endpoint_ids)
      prefixes[id] = ask_for(id);
    gate_.run([&] { finish_attach(sandbox_id, endpoint_ids, prefixes); });
    move_gateways(sandbox_id);
  } catch (...) {
    abandon_endpoints(sandbox_id, endpoint_ids, absent_in(std::current_exception()));
    throw;
  }
}

/// Those that are joined already leave as by `disconnect`; of the others nothing is in the kernel.
void RemoteVerbs::abandon_endpoints(const std::string& sandbox_id,
                                    const std::vector<std::string>& endpoint_ids, Absent absent) {
  OwedByObject owed;
  std::vector<std::string> joined;
  gate_.run([&] {
    for (const std::string& id : endpoint_ids) {
      const EndpointRecord* found = state().records.endpoint(id);
      if (!found) continue;
      if (found->progress.state != netd::State::joining) {
        joined.push_back(id);
        continue;
      }
      const EndpointRecord record = *found;
      const NetworkRecord& network = *state().records.network(record.network_id);
      owed.emplace_back(id, owed_by(record, network));
      owe(id, owed.back().second, {{key_of(record), std::nullopt}});
      state().records.erase(record);
      if (!network.remote.ipam) state().release_endpoint(record);
    }
  });
  for (auto& [id, calls] : owed)
    settle(id, calls, absent);
  for (const std::string& id : joined) {
    try {
      leave(sandbox_id, id, absent);
    } catch (const std::exception& error) {
      log::warn("an endpoint could not be undone, the next removal tries again",
                {{"endpoint", log::short_id(id)}, {"error", error.what()}});
    }
  }
  bring_down_unused();
  settle_later(absent);
}

void RemoteVerbs::connect(std::string_view network, std::string_view sandbox,
                          const EndpointSpec& spec) {
  std::string network_id, sandbox_id;
  gate_.run([&] {
    const NetworkRecord& to = state().network(network, Purpose::use);
    const SandboxRecord& from = state().sandbox(sandbox);
    state().check_idle(from);
    state().check_modes(from, {&to}, true);
    network_id = to.network.id;
    sandbox_id = from.sandbox.id;
    state().busy[sandbox_id] = "is being connected";
  });
  const Busy busy(*this, sandbox_id);
  attach(sandbox_id, {{network_id, spec}});
}

std::string RemoteVerbs::create_sandbox(const SandboxSpec& spec) {
  std::string id;
  Attachments attachments;
  gate_.run([&] {
    state().begin_again();
    const auto wanted = state().attachments_of(spec);
    for (const auto& [network, endpoint] : wanted)
      attachments.emplace_back(network->network.id, endpoint);
    id = state().begin_sandbox(spec, wanted).sandbox.id;
    state().busy[id] = "is being created";
  });
  const Busy busy(*this, id);
  try {
    gate_.run([&] { state().write_files(controller_.sandbox_by_id(id)); });
    attach(id, attachments);
  } catch (...) {
    Absent absent = absent_in(std::current_exception());
    take_down(id, absent);
    throw;
  }
  gate_.run([&] {
    const SandboxRecord& made = controller_.sandbox_by_id(id);
    state().publish_event("create", made);
    state().publish_event("start", made);
  });
  return id;
}

}  // namespace netd
