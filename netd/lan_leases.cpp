// Endpoints whose address a DHCP server of the LAN gave (`--ipam-driver dhcp`), and what becomes of
// them while the lease lives; addresses that are probed for before they are used (RFC 5227).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "drivers/options.h"
#include "netd/controller_state.h"
#include "netd/dhcp/client.h"
#include "netd/log.h"

namespace netd {
namespace {

std::string servers_text(const dhcp::Lease& lease) {
  std::vector<std::string> texts;
  for (const ipam::Address& server : lease.dns)
    texts.push_back(server.to_string());
  return fmt::format("{}", fmt::join(texts, " "));
}

}  // namespace

bool detects_conflicts(const drivers::Network& network) {
  return drivers::bool_option(network.options, drivers::option_detect_conflicts, false);
}

void follow_lease(EndpointRecord& record) {
  drivers::Endpoint& endpoint = record.endpoint;
  endpoint.ipv4.reset();
  endpoint.learned.reset();
  if (!record.lease) return;
  const dhcp::Lease& lease = *record.lease;
  endpoint.ipv4 = lease.address;
  drivers::Learned& learned = endpoint.learned.emplace();
  if (!lease.routers.empty()) learned.gateway = lease.routers.front();
  for (const dhcp::Route& route : lease.routes)  // RFC 3442: no gateway = on the link
    learned.routes.push_back(
        {.destination = route.destination,
         .next_hop = route.gateway.is_any() ? std::nullopt : std::optional(route.gateway)});
}

void check_leased(const drivers::Driver& driver, const NetworkSpec& spec,
                  const drivers::Network& network) {
  const auto refuse = [&](std::string_view why) {
    throw std::invalid_argument(fmt::format("--ipam-driver dhcp: {}", why));
  };
  if (!driver.traits().has_links || !driver.traits().has_mac || driver.publishes(network))
    refuse(
        "a DHCP server of the LAN can be reached from macvlan networks, and from bridges with "
        "io.netd.unmanaged=true");
  if (!spec.pools.empty())
    refuse("the server chooses subnet, gateway and addresses: leave them out");
  if (network.internal) refuse("an internal network has no LAN");
  if (!network.ipv4) refuse("it gives IPv4 addresses");
  if (drivers::bool_option(network.options, drivers::option_host_access, false))
    refuse("host access needs a subnet");
  if (network.ipv6)
    refuse(
        "it gives IPv4 addresses only; for IPv6 by router advertisements: -o "
        "io.netd.accept_ra=true");
}

dhcp::Client::Request Controller::State::lease_request(const EndpointRecord& record) const {
  const NetworkRecord& network = *records.network(record.network_id);
  const SandboxRecord& sandbox = *records.sandbox(record.sandbox_id);
  dhcp::Client::Request request;
  request.interface = network.network.link_name;
  request.identity.mac = record.endpoint.mac;
  request.identity.client_id = dhcp::client_id_of(network.network.name + "/" + sandbox.spec.name);
  request.identity.hostname = sandbox.spec.hostname;
  request.former = record.spec.ipv4;
  request.timeout = std::chrono::seconds(config.plugin_timeout);
  if (detects_conflicts(network.network)) request.check = dhcp::ProbeTiming::quick();
  return request;
}

Controller::State::LeasedNames Controller::State::leased_names(
    const std::string& sandbox_id) const {
  const auto all = records.endpoints_of_sandbox(sandbox_id);
  if (std::ranges::none_of(all, [](const auto* record) { return record->lease.has_value(); }))
    return {};
  std::vector<const EndpointRecord*> sorted = by_priority(all);
  const EndpointRecord* const gateway = gateway_of(sorted, ipam::Family::v4);
  std::ranges::stable_partition(sorted, [&](const auto* record) { return record == gateway; });
  LeasedNames leased;
  const auto append = [](auto& list, const auto& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
  };
  for (const EndpointRecord* record : sorted) {
    if (!record->lease || record->progress.state != netd::State::joined) continue;
    for (const ipam::Address& server : record->lease->dns)
      append(leased.servers, server);
    // RFC 3397 4: a search list takes the place of the domain.
    for (const std::string& domain : record->lease->search)
      append(leased.search, domain);
    if (record->lease->search.empty() && !record->lease->domain.empty())
      append(leased.search, record->lease->domain);
  }
  return leased;
}

void Controller::State::keep_leases() {
  if (!leases) return;
  for (const EndpointRecord* record : records.endpoints())
    if (record->lease && record->progress.state == netd::State::joined)
      leases->keep(record->endpoint.id, lease_request(*record), *record->lease);
}

/// The sandbox as it is now that one of its endpoints has another address, or none.
void Controller::State::move_endpoint(const EndpointRecord& changed) {
  const EndpointRecord before = *records.endpoint(changed.endpoint.id);
  SandboxRecord sandbox = *records.sandbox(changed.sandbox_id);
  std::vector<EndpointRecord> endpoints;
  for (const EndpointRecord* record : records.endpoints_of_sandbox(sandbox.sandbox.id))
    if (record->progress.state == netd::State::joined)
      endpoints.push_back(record->endpoint.id == changed.endpoint.id ? changed : *record);
  replan(sandbox, endpoints);
  Work work(store, kernel, records);
  // The same routes, but on an address that they may go away with.
  work.change(sandbox);
  for (EndpointRecord& record : endpoints)
    if (record.endpoint.id == changed.endpoint.id ||
        record.progress.plan != records.endpoint(record.endpoint.id)->progress.plan)
      work.change(std::move(record));
  names.withdraw(before);
  work.commit(Durability::process);
  names.publish(*records.endpoint(changed.endpoint.id));
  announce(*records.endpoint(changed.endpoint.id));
  refresh_sandbox(*records.sandbox(sandbox.sandbox.id));
}

void Controller::use_leases(dhcp::Client& leases) {
  state_->leases = &leases;
}

void Controller::lease_changed(const std::string& endpoint_id, const dhcp::Change& change) {
  const EndpointRecord* found = state_->records.endpoint(endpoint_id);
  if (!found || found->progress.state != netd::State::joined) return;
  EndpointRecord record = *found;
  const std::string sandbox = owner_of(record);
  using Kind = dhcp::Change::Kind;
  if (change.kind == Kind::overdue)
    return log::warn("a DHCP server is silent, others are asked",
                     {{"sandbox", sandbox}, {"why", change.reason}});
  record.lease = change.lease;
  if (change.kind == Kind::renewed) return state_->write(std::move(record));
  follow_lease(record);
  const auto address = record.endpoint.ipv4 ? record.endpoint.ipv4->to_string() : "none";
  if (record.endpoint.ipv4 != found->endpoint.ipv4)
    log::warn("an address changed",
              {{"sandbox", sandbox}, {"now", address}, {"why", change.reason}});
  else
    log::info("a DHCP server changed what it says beside an address",
              {{"sandbox", sandbox}, {"address", address}, {"dns", servers_text(*change.lease)}});
  try {
    state_->move_endpoint(record);
  } catch (const std::exception& error) {
    log::error("an address could not be changed", {{"sandbox", sandbox}, {"error", error.what()}});
  }
}

}  // namespace netd
