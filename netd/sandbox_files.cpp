// A sandbox's hosts, hostname and resolv.conf: what its records say, as text.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "netd/controller_state.h"
#include "sandbox/files.h"
#include "sandbox/resolv_conf.h"

namespace netd {
namespace {

using ipam::Family;

/// `--add-host name:host-gateway`: the host's addresses on the default network.
std::vector<ipam::Address> host_gateway(const Controller::State& state) {
  std::vector<ipam::Address> addresses;
  if (const NetworkRecord* network = state.records.find_network("bridge").record)
    for (const drivers::Pool& pool : network->network.pools)
      if (pool.gateway) addresses.push_back(*pool.gateway);
  return addresses;
}

/// The first of these that says something.
template <typename List>
const List& first_of(const List& asked, const List& configured, const List& leased) {
  return !asked.empty() ? asked : !configured.empty() ? configured : leased;
}

sandbox::ResolverOverrides overrides_of(const Controller::State& state,
                                        const SandboxRecord& sandbox) {
  const SandboxSpec& spec = sandbox.spec;
  const Config& config = state.config;
  const auto leased = state.leased_names(sandbox.sandbox.id);
  return {.nameservers = first_of(spec.dns, config.dns, leased.servers),
          .search = first_of(spec.dns_search, config.dns_search, leased.search),
          .options = spec.dns_options.empty() ? config.dns_options : spec.dns_options};
}

std::string hosts_of(const Controller::State& state, const SandboxRecord& sandbox) {
  sandbox::Hosts hosts;
  for (const std::string& line : sandbox.spec.extra_hosts)
    std::ranges::move(sandbox::parse_extra_host(line, host_gateway(state)),
                      std::back_inserter(hosts.extra));
  const auto names = sandbox::own_names(sandbox.spec.hostname, sandbox.spec.domainname);
  for (const EndpointRecord* record : state.records.endpoints_of_sandbox(sandbox.sandbox.id)) {
    for (const auto& address : {record->endpoint.ipv4, record->endpoint.ipv6})
      if (address) hosts.own.push_back({address->address, names});
    hosts.ipv6 = hosts.ipv6 || record->endpoint.ipv6.has_value();
  }
  return sandbox::hosts_text(hosts);
}

std::string resolv_conf_of(const Controller::State& state, const SandboxRecord& sandbox) {
  const auto overrides = overrides_of(state, sandbox);
  if (sandbox.dns_port != 0)
    return sandbox::internal_resolv_conf(sandbox::read_host_resolv_conf(state.config.resolv_conf),
                                         overrides);
  if (!sandbox.owns_stack)
    return sandbox::host_resolv_conf(sandbox::read_host_resolv_conf(state.config.resolv_conf),
                                     overrides);
  bool ipv6 = false;
  for (const EndpointRecord* record : state.records.endpoints_of_sandbox(sandbox.sandbox.id))
    ipv6 = ipv6 || record->endpoint.ipv6.has_value();
  return sandbox::legacy_resolv_conf(sandbox::read_reachable_resolv_conf(state.config.resolv_conf),
                                     overrides, ipv6);
}

}  // namespace

std::string Controller::State::directory_of(const SandboxRecord& sandbox) const {
  const std::string& id =
      sandbox.spec.shared_with.empty() ? sandbox.sandbox.id : sandbox.spec.shared_with;
  return fmt::format("{}/sandboxes/{}", config.run_dir, id);
}

void Controller::State::check_files(const SandboxSpec& spec) const {
  SandboxRecord trial;
  trial.spec = spec;
  trial.dns_port = 1;
  hosts_of(*this, trial);
  resolv_conf_of(*this, trial);
}

void Controller::State::write_files(const SandboxRecord& sandbox) {
  if (!sandbox.spec.shared_with.empty()) return;  // the other sandbox's files are this one's too
  std::filesystem::create_directories(config.run_dir + "/sandboxes");
  sandbox::write_sandbox_files(directory_of(sandbox),
                               {.hostname = sandbox.spec.hostname,
                                .hosts = hosts_of(*this, sandbox),
                                .resolv_conf = resolv_conf_of(*this, sandbox)});
}

void Controller::State::remove_files(const SandboxRecord& sandbox) {
  if (sandbox.spec.shared_with.empty()) sandbox::remove_sandbox_files(directory_of(sandbox));
}

NameDefaults Controller::State::name_defaults() const {
  const auto host = sandbox::read_host_resolv_conf(config.resolv_conf);
  return {.host_servers = host.content.nameservers,
          .servers = config.dns,
          .options = config.dns_options.empty() ? host.content.options : config.dns_options};
}

}  // namespace netd
