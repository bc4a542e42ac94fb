// network create: flags to the Engine API's CreateRequest.
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct CreateOptions {
  std::string name;
  std::string driver = "bridge";
  PoolWords pools;
  std::vector<std::string> options;
  std::string ipam_driver = "default";
  std::vector<std::string> ipam_options;
  bool internal = false;
  bool ipv4 = true;
  bool ipv6 = false;
  bool has_ipv4 = false;  // whether the flag was given at all
  bool has_ipv6 = false;
  bool attachable = false;
  bool ingress = false;
  std::string scope;
  bool config_only = false;
  std::string config_from;
  std::vector<std::string> labels;
};

json create_request(const CreateOptions& options) {
  json request{{"Name", options.name},
               {"Driver", options.driver},
               {"Internal", options.internal},
               {"Attachable", options.attachable},
               {"Ingress", options.ingress},
               {"ConfigOnly", options.config_only},
               {"Options", parse_key_values("--opt", options.options)},
               {"Labels", parse_key_values("--label", options.labels)},
               {"IPAM",
                {{"Driver", options.ipam_driver},
                 {"Options", parse_key_values("--ipam-opt", options.ipam_options)},
                 {"Config", pair_pools(options.pools)}}}};
  if (options.has_ipv4) request["EnableIPv4"] = options.ipv4;
  if (options.has_ipv6) request["EnableIPv6"] = options.ipv6;
  if (!options.scope.empty()) request["Scope"] = options.scope;
  if (!options.config_from.empty()) request["ConfigFrom"] = {{"Network", options.config_from}};
  return request;
}

void create_network(Context& context, const CreateOptions& options) {
  const json created = call(context, "POST", "/networks/create", create_request(options));
  print_warnings(context, created);
  context.out << created.at("Id").get<std::string>() << '\n';
}

void add_address_options(CLI::App& command, CreateOptions& options) {
  add_repeatable(command, "--subnet", options.pools.subnets,
                 "Subnet as ADDRESS/LENGTH; 0.0.0.0/24 or ::/64: any of that length");
  add_repeatable(command, "--gateway", options.pools.gateways,
                 "The gateway's address; else the first of the subnet");
  add_repeatable(command, "--ip-range", options.pools.ranges,
                 "Give sandboxes addresses from this part of the subnet only");
  add_repeatable(command, "--aux-address", options.pools.auxiliary,
                 "Never give this address to a sandbox: NAME=IP");
  command.add_option("--ipam-driver", options.ipam_driver, "Who gives addresses")
      ->capture_default_str();
  add_repeatable(command, "--ipam-opt", options.ipam_options, "Option of that driver: KEY=VALUE");
}

void add_kind_options(CLI::App& command, CreateOptions& options) {
  command.add_option("-d,--driver", options.driver, "bridge, or what else netd has")
      ->capture_default_str();
  add_repeatable(command, "-o,--opt", options.options, "Option of the driver: KEY=VALUE");
  add_repeatable(command, "--label", options.labels, "Label: KEY=VALUE");
  command.add_flag("--internal", options.internal, "No way out of this network");
  command.add_flag("--attachable", options.attachable, "Sandboxes may join by hand (kept, shown)");
  command.add_flag("--ingress", options.ingress, "Swarm's routing-mesh network");
  command.add_option("--scope", options.scope, "local or global; else the driver's");
  command.add_flag("--config-only", options.config_only, "Only a template for --config-from");
  command.add_option("--config-from", options.config_from, "Take the settings of this template");
}

}  // namespace

void add_network_create(CLI::App& network, Context& context) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App* command = network.add_subcommand("create", "Make a network and print its id");
  add_kind_options(*command, *options);
  add_address_options(*command, *options);
  CLI::Option* ipv4 =
      command->add_flag("--ipv4", options->ipv4, "IPv4 in this network; --ipv4=false: none");
  CLI::Option* ipv6 = command->add_flag("--ipv6", options->ipv6, "IPv6 in this network");
  command->add_option("NAME", options->name, "The new network's name")->required();
  command->footer(
      "Examples:\n"
      "  netctl network create shop\n"
      "  netctl network create --subnet 10.5.0.0/24 --gateway 10.5.0.254 shop\n"
      "  netctl network create --ipv6 --subnet 10.5.0.0/24 --subnet fd00:5::/64 shop\n"
      "  netctl network create --internal -o com.docker.network.bridge.enable_icc=false vault");
  command->callback([&context, options, ipv4, ipv6] {
    options->has_ipv4 = ipv4->count() > 0;
    options->has_ipv6 = ipv6->count() > 0;
    create_network(context, *options);
  });
}

}  // namespace netd::ctl
