#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "drivers/options.h"
#include "netd/api/engine_json.h"
#include "netd/api/filters.h"
#include "netd/api/handlers.h"
#include "netd/api/metrics.h"
#include "netd/cluster_member.h"
#include "netd/config.h"
#include "netd/overlays.h"
#include "netd/remote_verbs.h"

namespace netd::api {
namespace {

using nlohmann::json;

json attached_sandbox_json(const EndpointRecord& record, const Controller& controller) {
  const drivers::Endpoint& endpoint = record.endpoint;
  const bool has_link = !endpoint.sandbox_link.empty();
  return {{"Id", container_id(record)},
          {"Name", controller.owner_of(record)},
          // The engine names the link that it takes.
          {"Interface", record.engine ? "" : endpoint.sandbox_link},
          {"MacAddress", has_link ? endpoint.mac.to_string() : ""},
          {"IPv4Address", endpoint.ipv4 ? endpoint.ipv4->to_string() : ""},
          {"IPv6Address", endpoint.ipv6 ? endpoint.ipv6->to_string() : ""},
          {"Ports", port_list_json(endpoint.ports)}};
}

json network_branch_json(const NetworkRecord& record, const Controller& controller) {
  const drivers::Network& network = record.network;
  json subnets = json::array();
  for (const drivers::Pool& pool : network.pools)
    subnets.push_back({{"Subnet", pool.subnet.to_string()},
                       {"Gateway", pool.gateway ? pool.gateway->to_string() : ""}});
  json sandboxes = json::array();
  for (const EndpointRecord* endpoint : controller.endpoints_of(network.id))
    sandboxes.push_back(attached_sandbox_json(*endpoint, controller));
  const bool bridge = network.driver == "bridge" && !record.config_only;
  return {
      {"Id", network.id},
      {"Name", network.name},
      {"Driver", network.driver},
      {"Link", network.link_name},
      {"Internal", network.internal},
      {"EnableIPv6", network.ipv6},
      {"Masquerade", bridge && !network.internal &&
                         drivers::bool_option(network.options, drivers::option_masquerade, true)},
      {"ICC", bridge && drivers::bool_option(network.options, drivers::option_icc, true)},
      {"Subnets", std::move(subnets)},
      {"Sandboxes", std::move(sandboxes)}};
}

void add_gauge(std::string& text, std::string_view name, std::string_view help,
               std::integral auto value) {
  fmt::format_to(std::back_inserter(text), "# HELP {0} {1}\n# TYPE {0} gauge\n{0} {2}\n", name,
                 help, value);
}

void add_paths(std::string& text, const ClusterMember& cluster) {
  using State = PathProbes::State;
  std::map<State, std::int64_t> paths;
  for (const PathProbes::Result& result : cluster.paths())
    ++paths[result.state];
  text +=
      "# HELP netd_cluster_paths Hosts to which packets of full size pass whole, don't, or no "
      "packet does.\n"
      "# TYPE netd_cluster_paths gauge\n";
  for (const auto& [state, name] :
       {std::pair(State::whole, "whole"), std::pair(State::broken, "broken"),
        std::pair(State::silent, "silent")})
    fmt::format_to(std::back_inserter(text), "netd_cluster_paths{{state=\"{}\"}} {}\n", name,
                   paths[state]);
  add_gauge(text, "netd_cluster_findings",
            "What keeps packets from other hosts (netctl cluster status).",
            cluster.examine().size());
}

void add_cluster(std::string& text, const ClusterMember& cluster, const Overlays* overlays) {
  const ClusterMember::State state = cluster.state();
  add_gauge(text, "netd_cluster_live", "Whether this host is a live member of its cluster.",
            state.live ? 1 : 0);
  add_gauge(text, "netd_cluster_seconds_since_contact",
            "Since the cluster's store answered last; -1 before it ever did.",
            state.since_contact ? state.since_contact->count() : -1);
  if (!overlays) return;
  add_gauge(text, "netd_cluster_stale",
            "Whether some of what is known of other hosts is of netd's last run.",
            overlays->is_stale() ? 1 : 0);
  std::map<std::string_view, std::int64_t> hosts{{"live", 0}, {"unreachable", 0}};
  for (const auto& [id, host] : overlays->hosts())
    ++hosts[host.live ? "live" : "unreachable"];
  text +=
      "# HELP netd_cluster_hosts Hosts of the cluster, as this one sees them.\n"
      "# TYPE netd_cluster_hosts gauge\n";
  for (const auto& [name, number] : hosts)
    fmt::format_to(std::back_inserter(text), "netd_cluster_hosts{{state=\"{}\"}} {}\n", name,
                   number);
  add_paths(text, cluster);
  fmt::format_to(std::back_inserter(text),
                 "# HELP netd_drift_repaired_total What others changed and netd put right.\n"
                 "# TYPE netd_drift_repaired_total counter\n"
                 "netd_drift_repaired_total{{object=\"peer\"}} {}\n",
                 overlays->repaired());
}

}  // namespace

Response topology(const Call&, Context& context) {
  json networks = json::array();
  for (const NetworkRecord* record : context.controller.networks())
    networks.push_back(network_branch_json(*record, context.controller));
  return json_response(200, {{"Networks", std::move(networks)}});
}

Response doctor(const Call&, Context& context) {
  bool healthy = true;
  json findings = json::array();
  auto found = context.controller.examine();
  if (context.cluster) std::ranges::move(context.cluster->examine(), std::back_inserter(found));
  for (const Finding& finding : found) {
    healthy = healthy && finding.severity == "note";
    findings.push_back({{"severity", finding.severity},
                        {"object", finding.object},
                        {"network", finding.network},
                        {"sandbox", finding.sandbox},
                        {"what", finding.what},
                        {"repair", finding.repair}});
  }
  return json_response(200, {{"healthy", healthy}, {"findings", std::move(findings)}});
}

Response system_info(const Call&, Context& context) {
  const SystemInfo info = context.controller.info();
  return json_response(200, {{"Networks", info.networks},
                             {"Sandboxes", info.sandboxes},
                             {"Endpoints", info.endpoints},
                             {"ReaperWaiting", info.dying_links},
                             {"Version", NETD_VERSION},
                             {"StateDir", context.config.state_dir},
                             {"RunDir", context.config.run_dir}});
}

Response system_purge(const Call&, Context& context) {
  if (context.verbs)
    if (const auto plugins = context.verbs->asked_by_all(); !plugins.empty())
      return ask_later(*context.verbs, plugins, [](RemoteVerbs& verbs) {
        return json_response(200, {{"Failures", verbs.purge()}});
      });
  return json_response(200, {{"Failures", context.controller.purge()}});
}

Response system_prune(const Call&, Context& context) {
  const auto all = [](const NetworkRecord&) { return true; };
  if (context.verbs)
    if (const auto plugins = context.verbs->asked_by_all(); !plugins.empty())
      return ask_later(*context.verbs, plugins, [all](RemoteVerbs& verbs) {
        return json_response(200, {{"NetworksDeleted", verbs.prune_networks(all)}});
      });
  const auto names = context.controller.prune_networks(all);
  return json_response(200, {{"NetworksDeleted", names}});
}

Response metrics(const Call&, Context& context) {
  const SystemInfo info = context.controller.info();
  std::string text;
  add_gauge(text, "netd_networks", "Networks, built-in ones included.", info.networks);
  add_gauge(text, "netd_endpoints", "Attachments of sandboxes to networks.", info.endpoints);
  add_gauge(text, "netd_reaper_waiting", "Links that are down and wait for their deletion.",
            info.dying_links);
  if (context.cluster) add_cluster(text, *context.cluster, context.controller.state().overlays);
  text +=
      "# HELP netd_operation_seconds How long operations took on the control thread.\n"
      "# TYPE netd_operation_seconds summary\n";
  for (const auto& [operation, summary] : context.metrics.operations())
    fmt::format_to(std::back_inserter(text),
                   "netd_operation_seconds_sum{{op=\"{0}\"}} {1}\n"
                   "netd_operation_seconds_count{{op=\"{0}\"}} {2}\n",
                   operation, summary.sum_seconds, summary.count);
  return {.status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = text};
}

}  // namespace netd::api
