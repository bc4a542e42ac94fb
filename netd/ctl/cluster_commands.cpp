// cluster status, cluster host ls and rm, overlay trace.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"
#include "netd/ctl/table.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

std::string text_of(const json& value) {
  return value.is_string() ? printable(value.get<std::string>()) : value.dump();
}

std::string field(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : text_of(*found);
}

std::string megabytes(const json& member) {
  return fmt::format("{:.1f} MB", member.value("Bytes", 0.0) / 1e6);
}

std::string problems(const json& member) {
  std::string text = field(member, "Problem");
  for (const json& alarm : member.value("Alarms", json::array()))
    text += (text.empty() ? "alarm " : ", alarm ") + text_of(alarm);
  return text.empty() ? "none" : text;
}

/// "yes, 12 s ago": when it proved its key to this host last.
std::string encryption_of(const json& host) {
  const json encryption = host.value("Encryption", json());
  if (!encryption.is_object()) return "no";
  std::string text = "yes";
  if (const std::string since = field(encryption, "SecondsSinceProof"); !since.empty())
    text += ", " + since + " s ago";
  return text + (field(encryption, "NextKey").empty() ? "" : ", key changes");
}

std::string host_table(const json& hosts) {
  std::vector<Row> rows;
  for (const json& host : hosts)
    rows.push_back({short_id(field(host, "Id")),
                    field(host, "Name") + (host.value("Self", false) ? " (this one)" : ""),
                    field(host, "State"), field(host, "Vtep"), field(host, "Mtu"),
                    encryption_of(host), field(host, "Version")});
  return format_table({"HOST ID", "NAME", "STATE", "TUNNEL ADDRESS", "MTU", "ENCRYPTS", "NETD"},
                      rows);
}

std::string store_table(const json& members) {
  std::vector<Row> rows;
  for (const json& member : members)
    rows.push_back({field(member, "Endpoint"), member.value("Leader", false) ? "leader" : "",
                    field(member, "Version"), megabytes(member),
                    fmt::format("{:.1f} ms", member.value("LatencyMicroseconds", 0.0) / 1e3),
                    problems(member)});
  return format_table({"STORE", "ROLE", "ETCD", "SIZE", "ANSWERED IN", "PROBLEM"}, rows);
}

/// Exit status 1 unless this host is live.
void show_status(Context& context, const std::string& format) {
  const json status = call(context, "GET", "/cluster");
  if (format == "json") {
    context.out << status.dump(2) << '\n';
  } else {
    context.out << fmt::format(
        "Cluster: {}\nThis host: {} ({}), tunnels at {} on {}, UDP port {}\n",
        field(status, "Cluster"), field(status, "State"), short_id(field(status, "Host")),
        field(status, "Vtep"), field(status, "Link"), field(status, "VxlanPort"));
    const json since = status.value("SecondsSinceContact", json());
    context.out << (since.is_null() ? std::string("Store: has not answered yet\n")
                                    : fmt::format("Store: answered {} s ago, revision {}\n",
                                                  since.dump(), field(status, "Revision")));
    if (status.value("Stale", false))
      context.out << "Other hosts and their containers: as they were known then\n";
    context.out << '\n'
                << store_table(status.value("Store", json::array())) << '\n'
                << host_table(status.value("Hosts", json::array()));
    for (const json& finding : status.value("Findings", json::array()))
      context.out << fmt::format("\nBroken: {}    ({})\n", field(finding, "What"),
                                 field(finding, "Repair"));
    const json unusable = status.value("Unusable", json::object());
    for (const auto& [id, reason] : unusable.items())
      context.out << fmt::format("\nNetwork {} can't be used here: {}\n", short_id(id),
                                 text_of(reason));
  }
  if (status.value("State", "") != "live") {
    const std::string problem = field(status, "Problem");
    throw Failed(problem.empty() ? "this host is not live in its cluster" : problem);
  }
}

void list_hosts(Context& context, const ListOptions& options) {
  const json hosts = call(context, "GET", "/cluster").value("Hosts", json::array());
  if (options.quiet) {
    for (const json& host : hosts)
      context.out << field(host, "Id") << '\n';
  } else if (options.is_json()) {
    context.out << hosts.dump(2) << '\n';
  } else {
    context.out << host_table(hosts);
  }
}

void remove_hosts(Context& context, const std::vector<std::string>& hosts) {
  for_each_name(context, hosts, [&](const std::string& host) {
    if (host.empty()) throw Failed("an empty name is no host's (netctl cluster host ls)");
    call(context, "DELETE", "/cluster/hosts/" + client::encode(host));
    context.out << host << '\n';
  });
}

struct TraceOptions {
  std::string from;
  std::string to;
  std::string network;
  std::string format = "table";
};

void trace(Context& context, const TraceOptions& options) {
  std::string target = fmt::format("/overlay/trace?from={}&to={}", client::encode(options.from),
                                   client::encode(options.to));
  if (!options.network.empty()) target += "&network=" + client::encode(options.network);
  const json answer = call(context, "GET", target);
  const bool works = answer.value("Works", false);
  if (options.format == "json") {
    context.out << answer.dump(2) << '\n';
  } else {
    for (const json& step : answer.value("Steps", json::array()))
      context.out << fmt::format("{} {}: {}\n", step.value("Good", false) ? "ok     " : "WRONG  ",
                                 field(step, "What"), field(step, "Detail"));
  }
  if (!works) throw Failed(field(answer, "Verdict"));
  if (options.format != "json") context.out << field(answer, "Verdict") << '\n';
}

}  // namespace

void add_cluster_commands(CLI::App& application, Context& context) {
  CLI::App* cluster =
      application.add_subcommand("cluster", "The hosts that share overlay networks");
  cluster->require_subcommand(1);

  auto format = std::make_shared<std::string>("table");
  CLI::App* status = cluster->add_subcommand("status", "This host, its store and the other hosts");
  status->add_option("--format", *format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  status->footer("Exit status 1 unless this host is live.\n\nExample:\n  netctl cluster status");
  status->callback([&context, format] { show_status(context, *format); });

  CLI::App* rotate =
      cluster->add_subcommand("rotate-key", "Give this host a new key for encrypted networks");
  rotate->footer(
      "The new key is used when all hosts of the cluster have heard of it, usually after seconds\n"
      "(netctl cluster status shows it); until then the old one is.\n\nExample:\n  netctl cluster "
      "rotate-key");
  rotate->callback([&context] {
    call(context, "POST", "/cluster/rotate-key");
    context.out << "The new key is used when all hosts know it: netctl cluster status\n";
  });

  CLI::App* host = cluster->add_subcommand("host", "Hosts of the cluster");
  host->require_subcommand(1);
  auto list = std::make_shared<ListOptions>();
  CLI::App* ls = host->add_subcommand("ls", "All hosts, and whether they are live");
  ls->add_option("--format", list->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  ls->add_flag("-q,--quiet", list->quiet, "Only ids");
  ls->callback([&context, list] { list_hosts(context, *list); });

  auto hosts = std::make_shared<std::vector<std::string>>();
  CLI::App* rm = host->add_subcommand("rm", "Give up hosts that will not come back");
  rm->add_option("HOST", *hosts, "Id, its first digits, or name")->required();
  rm->footer(
      "The addresses of its containers are free for others a minute later. A live host is not "
      "removed: "
      "stop its\n"
      "netd first.\n\nExample:\n  netctl cluster host rm node7");
  rm->callback([&context, hosts] { remove_hosts(context, *hosts); });

  CLI::App* overlay = application.add_subcommand("overlay", "Networks between hosts");
  overlay->require_subcommand(1);
  auto options = std::make_shared<TraceOptions>();
  CLI::App* tracing = overlay->add_subcommand(
      "trace", "Why a sandbox of this host reaches another one, or does not");
  tracing->add_option("FROM", options->from, "Sandbox of this host")->required();
  tracing->add_option("TO", options->to, "Name or address of one on any host")->required();
  tracing->add_option("--network", options->network, "Only on this network");
  tracing->add_option("--format", options->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  tracing->footer(
      "What the store says, what this host's kernel has, and two packets, small and full. Exit "
      "status 1, and\n"
      "what is wrong first, when they are not answered.\n\nExample:\n  netctl overlay trace web "
      "db");
  tracing->callback([&context, options] { trace(context, *options); });
}

}  // namespace netd::ctl
