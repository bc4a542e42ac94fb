// network connect, disconnect.
#include <nlohmann/json.hpp>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct ConnectOptions {
  std::string network;
  std::string sandbox;
  EndpointWords endpoint;
  bool force = false;  // disconnect
};

std::string target(const ConnectOptions& options, const char* verb) {
  return "/networks/" + client::encode(options.network) + "/" + verb;
}

void connect(Context& context, const ConnectOptions& options) {
  const json body{{"Container", options.sandbox},
                  {"EndpointConfig", endpoint_settings(options.endpoint)}};
  print_warnings(context, call(context, "POST", target(options, "connect"), body));
}

void disconnect(Context& context, const ConnectOptions& options) {
  const json body{{"Container", options.sandbox}, {"Force", options.force}};
  print_warnings(context, call(context, "POST", target(options, "disconnect"), body));
}

void add_ends(CLI::App& command, ConnectOptions& options) {
  command.add_option("NETWORK", options.network, "Name or id")->required();
  command.add_option("SANDBOX", options.sandbox, "Name or id")->required();
}

void add_endpoint_options(CLI::App& command, EndpointWords& endpoint) {
  command.add_option("--ip", endpoint.ipv4, "IPv4 address, else the next free one");
  command.add_option("--ip6", endpoint.ipv6, "IPv6 address, else the next free one");
  add_repeatable(command, "--link-local-ip", endpoint.link_local, "Link-local address besides");
  add_repeatable(command, "--alias", endpoint.aliases, "Further DNS name in this network");
  add_repeatable(command, "--link", endpoint.links,
                 "Call another sandbox by ALIAS here: SANDBOX:ALIAS");
  command.add_option("--mac-address", endpoint.mac, "MAC address, else a random one");
  add_repeatable(command, "--driver-opt", endpoint.options, "Option of the attachment: KEY=VALUE");
  command.add_option("--gw-priority", endpoint.gateway_priority,
                     "The network with the highest gives the default route (0)");
}

}  // namespace

void add_network_attachments(CLI::App& network, Context& context) {
  auto options = std::make_shared<ConnectOptions>();
  CLI::App* join = network.add_subcommand("connect", "Put a sandbox on a network, also a live one");
  add_endpoint_options(*join, options->endpoint);
  add_ends(*join, *options);
  join->footer(
      "Examples:\n"
      "  netctl network connect shop web\n"
      "  netctl network connect --ip 10.5.0.9 --alias db --gw-priority 10 shop web\n"
      "  netctl network connect --driver-opt com.docker.network.endpoint.ifname=lan0 shop web");
  join->callback([&context, options] { connect(context, *options); });

  auto leaving = std::make_shared<ConnectOptions>();
  CLI::App* leave = network.add_subcommand("disconnect", "Take a sandbox off a network");
  leave->add_flag("-f,--force", leaving->force,
                  "Also an endpoint of that name whose sandbox is gone");
  add_ends(*leave, *leaving);
  leave->footer("Example:\n  netctl network disconnect shop web");
  leave->callback([&context, leaving] { disconnect(context, *leaving); });
}

}  // namespace netd::ctl
