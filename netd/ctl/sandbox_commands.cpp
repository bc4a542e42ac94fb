// sandbox ls, inspect, rm, exec.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include <fmt/format.h>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"
#include "netd/ctl/sandbox_exec.h"
#include "netd/ctl/sandbox_view.h"
#include "netd/ctl/table.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct NamesOptions {
  std::vector<std::string> names;
  bool force = false;
};

struct ExecOptions {
  std::string sandbox;
  std::vector<std::string> command;
};

void list_sandboxes(Context& context, const ListOptions& options) {
  const json wanted = parse_filters(options.filters);
  check_sandbox_filters(wanted);
  json shown = json::array();
  for (const json& sandbox : call(context, "GET", "/sandboxes")) {
    if (matches_filters(sandbox, wanted)) shown.push_back(sandbox);
  }
  if (options.is_json() && !options.quiet) {
    context.out << shown.dump(2) << '\n';
    return;
  }
  std::vector<Row> rows;
  for (const json& sandbox : shown) {
    const std::string id = sandbox.at("Id");
    const std::string printed = options.full_ids ? id : short_id(id);
    if (options.quiet) {
      context.out << printed << '\n';
    } else {
      rows.push_back({printed, sandbox.value("Name", ""), describe_networks(sandbox),
                      describe_ports(sandbox)});
    }
  }
  if (!options.quiet) {
    context.out << format_table({"SANDBOX ID", "NAME", "NETWORKS", "PORTS"}, rows);
  }
}

void inspect_sandboxes(Context& context, const NamesOptions& options) {
  inspect_each(context, "/sandboxes/", options.names);
}

void remove_sandboxes(Context& context, const NamesOptions& options) {
  for_each_name(context, options.names, [&](const std::string& name) {
    const auto response =
        context.api.request("DELETE", "/sandboxes/" + client::encode(name), nullptr);
    if (response.status == 404 && options.force) return;
    if (!response.ok()) throw Failed(response.message());
    context.out << name << '\n';
  });
}

void execute(Context& context, ExecOptions options) {
  options.command.insert(options.command.end(), context.trailing.begin(), context.trailing.end());
  if (options.command.empty()) {
    throw UsageError(fmt::format(
        "what is to run? For example: netctl sandbox exec {} -- ip address", options.sandbox));
  }
  const json sandbox = call(context, "GET", "/sandboxes/" + client::encode(options.sandbox));
  context.out.flush();
  const SandboxEntrance entrance{.netns_path = sandbox.at("NetnsPath"),
                                 .resolv_conf_path = sandbox.value("ResolvConfPath", ""),
                                 .hosts_path = sandbox.value("HostsPath", ""),
                                 .hostname_path = sandbox.value("HostnamePath", "")};
  execute_in_sandbox(entrance, options.command);
}

void add_list(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = parent.add_subcommand("ls", "List sandboxes, their addresses and ports");
  command->alias("list");
  add_list_options(*command, *options, "id, label, name, network");
  add_full_ids(*command, *options);
  command->footer(
      "Examples:\n"
      "  netctl sandbox ls\n"
      "  netctl sandbox ls --filter network=shop -q");
  command->callback([&context, options] { list_sandboxes(context, *options); });
}

void add_inspect(CLI::App& parent, Context& context) {
  auto options = std::make_shared<NamesOptions>();
  CLI::App* command = parent.add_subcommand("inspect", "Show all about sandboxes as JSON");
  command->add_option("SANDBOX", options->names, "Name, id, or the beginning of an id")->required();
  command->footer("Example:\n  netctl sandbox inspect web | jq -r '.[0].NetnsPath'");
  command->callback([&context, options] { inspect_sandboxes(context, *options); });
}

void add_remove(CLI::App& parent, Context& context) {
  auto options = std::make_shared<NamesOptions>();
  CLI::App* command = parent.add_subcommand(
      "rm", "Remove sandboxes: their attachments, ports and the namespace netd made");
  command->alias("remove");
  command->add_flag("-f,--force", options->force, "A sandbox that isn't there is no error");
  command->add_option("SANDBOX", options->names, "Name, id, or the beginning of an id")->required();
  command->footer("Example:\n  netctl sandbox rm web client");
  command->callback([&context, options] { remove_sandboxes(context, *options); });
}

void add_exec(CLI::App& parent, Context& context) {
  auto options = std::make_shared<ExecOptions>();
  CLI::App* command = parent.add_subcommand(
      "exec",
      "Run a command in a sandbox's network namespace, with its resolv.conf, hosts and hostname");
  command->add_option("SANDBOX", options->sandbox, "Name, id, or the beginning of an id")
      ->required();
  command->add_option("COMMAND", options->command, "The command and its arguments, after --");
  command->footer(
      "All but the network is the host's: files, processes, users. Needs root. Exits with the\n"
      "command's status; 126 when it can't be run, 127 when there is no such command.\n\n"
      "Examples:\n"
      "  netctl sandbox exec web -- ip -brief address\n"
      "  netctl sandbox exec client -- curl http://web/\n"
      "  netctl sandbox exec web -- sh");
  command->callback([&context, options] { execute(context, *options); });
}

}  // namespace

void add_sandbox_commands(CLI::App& application, Context& context) {
  CLI::App* sandbox = application.add_subcommand(
      "sandbox", "Make, show, enter and remove sandboxes: a container's network stack");
  sandbox->require_subcommand(1);
  add_sandbox_create(*sandbox, context);
  add_list(*sandbox, context);
  add_inspect(*sandbox, context);
  add_remove(*sandbox, context);
  add_exec(*sandbox, context);
  add_port_commands(application, *sandbox, context);
}

}  // namespace netd::ctl
