// network ls, inspect, rm, prune.
#include <nlohmann/json.hpp>
#include <ostream>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"
#include "netd/ctl/table.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct NamesOptions {
  std::vector<std::string> names;
  bool force = false;
};

struct PruneOptions {
  bool force = false;
  std::vector<std::string> filters;
};

void list_networks(Context& context, const ListOptions& options) {
  const json networks = call(context, "GET", "/networks" + filters_query(options.filters));
  if (options.is_json() && !options.quiet) {
    context.out << networks.dump(2) << '\n';
    return;
  }
  std::vector<Row> rows;
  for (const json& network : networks) {
    const std::string id = network.at("Id");
    const std::string shown = options.full_ids ? id : short_id(id);
    if (options.quiet) {
      context.out << shown << '\n';
    } else {
      rows.push_back({shown, network.at("Name"), network.at("Driver"), network.at("Scope")});
    }
  }
  if (!options.quiet) {
    context.out << format_table({"NETWORK ID", "NAME", "DRIVER", "SCOPE"}, rows);
  }
}

void inspect_networks(Context& context, const NamesOptions& options) {
  inspect_each(context, "/networks/", options.names);
}

void remove_networks(Context& context, const NamesOptions& options) {
  for_each_name(context, options.names, [&](const std::string& name) {
    const auto response =
        context.api.request("DELETE", "/networks/" + client::encode(name), nullptr);
    if (response.status == 404 && options.force) return;
    if (!response.ok()) {
      const bool in_use = response.message().find("active endpoints") != std::string::npos;
      throw Failed(
          response.message() +
          (in_use ? "; take them off first: netctl network disconnect " + name + " SANDBOX" : ""));
    }
    context.out << name << '\n';
  });
}

void prune_networks(Context& context, const PruneOptions& options) {
  if (!options.force) {
    confirm(context, "WARNING! This will remove all user-defined networks that no sandbox is on.");
  }
  const json result = call(context, "POST", "/networks/prune" + filters_query(options.filters));
  const json names = result.value("NetworksDeleted", json());
  if (!names.is_array() || names.empty()) return;
  context.out << "Deleted Networks:\n";
  for (const json& name : names)
    context.out << name.get<std::string>() << '\n';
}

void add_list(CLI::App& network, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = network.add_subcommand("ls", "List networks");
  command->alias("list");
  add_list_options(*command, *options, "dangling, driver, id, label, name, scope, type");
  add_full_ids(*command, *options);
  command->footer(
      "Examples:\n"
      "  netctl network ls\n"
      "  netctl network ls --filter type=custom -q\n"
      "  netctl network ls --format json | jq -r '.[].Name'");
  command->callback([&context, options] { list_networks(context, *options); });
}

void add_inspect(CLI::App& network, Context& context) {
  auto options = std::make_shared<NamesOptions>();
  CLI::App* command =
      network.add_subcommand("inspect", "Show all about networks, with who is on them, as JSON");
  command->add_option("NETWORK", options->names, "Name, id, or the beginning of an id")->required();
  command->footer(
      "Examples:\n"
      "  netctl network inspect shop\n"
      "  netctl network inspect shop | jq '.[0].IPAM.Config'");
  command->callback([&context, options] { inspect_networks(context, *options); });
}

void add_remove(CLI::App& network, Context& context) {
  auto options = std::make_shared<NamesOptions>();
  CLI::App* command = network.add_subcommand("rm", "Remove networks that no sandbox is on");
  command->alias("remove");
  command->add_flag("-f,--force", options->force, "A network that isn't there is no error");
  command->add_option("NETWORK", options->names, "Name, id, or the beginning of an id")->required();
  command->footer("Example:\n  netctl network rm shop lan");
  command->callback([&context, options] { remove_networks(context, *options); });
}

void add_prune(CLI::App& network, Context& context) {
  auto options = std::make_shared<PruneOptions>();
  CLI::App* command =
      network.add_subcommand("prune", "Remove all user-defined networks that no sandbox is on");
  command->add_flag("-f,--force", options->force, "Don't ask");
  add_repeatable(*command, "--filter", options->filters,
                 "Only those that match KEY=VALUE: label, label!, until");
  command->footer(
      "Examples:\n"
      "  netctl network prune --force\n"
      "  netctl network prune --filter until=24h");
  command->callback([&context, options] { prune_networks(context, *options); });
}

}  // namespace

void add_network_commands(CLI::App& application, Context& context) {
  CLI::App* network = application.add_subcommand("network", "Make, show, join and remove networks");
  network->require_subcommand(1);
  add_network_create(*network, context);
  add_list(*network, context);
  add_inspect(*network, context);
  add_remove(*network, context);
  add_prune(*network, context);
  add_network_attachments(*network, context);
}

}  // namespace netd::ctl
