// events, topology, doctor.
#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>

#include <fmt/format.h>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"
#include "netd/ctl/event_line.h"
#include "netd/ctl/topology.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct EventsOptions {
  bool follow = false;
  std::string since;
  std::string until;
  ListOptions list;
};

struct TopologyOptions {
  std::string format = "tree";
};

/// Without --follow: what happened until now. With it: what happens from now on, unless --since is
/// given.
std::string events_target(const EventsOptions& options) {
  std::string target = "/events" + filters_query(options.list.filters);
  const auto add = [&target](const char* key, const std::string& value) {
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += fmt::format("{}={}", key, client::encode(value));
  };
  std::string until = options.until;
  if (!options.follow && until.empty()) {
    // With the fraction: what happened within this second is told too.
    const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
    until = fmt::format("{}.{:09}", now.count() / 1'000'000'000, now.count() % 1'000'000'000);
  }
  if (!options.since.empty()) add("since", options.since);
  if (!options.follow && options.since.empty()) add("since", "0");
  if (!until.empty()) add("until", until);
  return target;
}

void print_event(Context& context, const EventsOptions& options, std::string_view line) {
  if (options.list.is_json() && !options.list.quiet) {
    context.out << line << std::endl;
    return;
  }
  const json event = json::parse(line);
  context.out << (options.list.quiet ? event.at("Actor").value("ID", "")
                                     : format_event(event, context.colour))
              << std::endl;
}

void show_events(Context& context, const EventsOptions& options) {
  const auto response =
      context.api.stream(events_target(options), [&](std::string_view line) -> bool {
        print_event(context, options, line);
        return context.out.good();  // a closed pipe ends it: netctl events -f | head
      });
  if (!response.ok()) throw Failed(response.message());
}

void show_topology(Context& context, const TopologyOptions& options) {
  const json topology = call(context, "GET", "/topology");
  if (options.format == "json") {
    context.out << topology.dump(2) << '\n';
  } else {
    context.out << render_topology(topology, context.colour);
  }
}

/// One line a finding; what is wrong makes the exit status 1.
void show_doctor(Context& context, const std::string& format) {
  const json answer = call(context, "GET", "/doctor");
  const bool healthy = answer.value("healthy", false);
  if (format == "json") {
    context.out << answer.dump(2) << '\n';
  } else {
    for (const json& finding : answer.value("findings", json::array()))
      context.out << fmt::format("{:<8} {}    ({})\n", finding.value("severity", ""),
                                 finding.value("what", ""), finding.value("repair", ""));
    if (healthy) context.out << "healthy: links and records agree\n";
  }
  if (!healthy) throw Failed("something is not as netd made it");
}

}  // namespace

void add_observing_commands(CLI::App& application, Context& context) {
  auto events_options = std::make_shared<EventsOptions>();
  CLI::App* events =
      application.add_subcommand("events", "What happened, or what happens now (-f)");
  events->add_flag("-f,--follow", events_options->follow, "Wait for events until interrupted");
  events->add_option("--since", events_options->since, "From then on: Unix time, RFC 3339, or 10m");
  events->add_option("--until", events_options->until, "Up to then, in the same forms");
  add_list_options(*events, events_options->list, "container, event, label, network, scope, type");
  events->footer(
      "netd remembers the latest events since it started.\n\n"
      "Examples:\n"
      "  netctl events --since 10m\n"
      "  netctl events -f --filter network=shop\n"
      "  netctl events -f --format json | jq -c .Actor");
  events->callback([&context, events_options] { show_events(context, *events_options); });

  auto topology_options = std::make_shared<TopologyOptions>();
  CLI::App* topology = application.add_subcommand(
      "topology", "The host's networks, sandboxes, addresses and ports as a picture");
  topology->add_option("--format", topology_options->format, "tree or json")
      ->check(CLI::IsMember({"tree", "json"}))
      ->capture_default_str();
  auto doctor_format = std::make_shared<std::string>("table");
  CLI::App* doctor = application.add_subcommand(
      "doctor", "What is missing of what netd made, and what one may wonder about");
  doctor->add_option("--format", *doctor_format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  doctor->footer("Exit status 1 when anything is missing.\n\nExample:\n  netctl doctor");
  doctor->callback([&context, doctor_format] { show_doctor(context, *doctor_format); });

  topology->footer("Example:\n  netctl topology");
  topology->callback([&context, topology_options] { show_topology(context, *topology_options); });
}

}  // namespace netd::ctl
