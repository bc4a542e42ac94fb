// sandbox create: flags to the body of POST /sandboxes.
#include <nlohmann/json.hpp>
#include <ostream>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct CreateOptions {
  std::string name;
  std::string id;
  std::string hostname;
  std::string domainname;
  std::vector<std::string> networks;
  std::vector<std::string> publish;
  std::vector<std::string> dns;
  std::vector<std::string> dns_search;
  std::vector<std::string> dns_options;
  std::vector<std::string> extra_hosts;
  std::vector<std::string> labels;
  std::string netns_path;
  int pid = 0;
  std::string share;
};

void set_unless_empty(json& request, const char* key, const std::string& value) {
  if (!value.empty()) request[key] = value;
}

void set_unless_empty(json& request, const char* key, const std::vector<std::string>& values) {
  if (!values.empty()) request[key] = values;
}

json create_request(const CreateOptions& options) {
  json request{{"Name", options.name}};
  set_unless_empty(request, "Id", options.id);
  set_unless_empty(request, "Hostname", options.hostname);
  set_unless_empty(request, "Domainname", options.domainname);
  set_unless_empty(request, "NetnsPath", options.netns_path);
  set_unless_empty(request, "SharedWith", options.share);
  set_unless_empty(request, "Dns", options.dns);
  set_unless_empty(request, "DnsSearch", options.dns_search);
  set_unless_empty(request, "DnsOptions", options.dns_options);
  set_unless_empty(request, "ExtraHosts", options.extra_hosts);
  if (options.pid != 0) request["Pid"] = options.pid;
  if (!options.labels.empty()) request["Labels"] = parse_key_values("--label", options.labels);
  if (!options.publish.empty()) request["PortBindings"] = parse_ports(options.publish);
  for (const std::string& network : options.networks) {
    request["Networks"].push_back(parse_attachment(network));
  }
  return request;
}

void create_sandbox(Context& context, const CreateOptions& options) {
  const json created = call(context, "POST", "/sandboxes", create_request(options));
  print_warnings(context, created);
  context.out << created.at("Id").get<std::string>() << '\n';
}

void add_name_options(CLI::App& command, CreateOptions& options) {
  command.add_option("--hostname", options.hostname, "Hostname, else the sandbox's name");
  command.add_option("--domainname", options.domainname, "Domain of the hostname");
  add_repeatable(command, "--dns", options.dns, "Upstream DNS server, else the host's");
  add_repeatable(command, "--dns-search", options.dns_search, "DNS search domain");
  add_repeatable(command, "--dns-option", options.dns_options,
                 "resolv.conf option, such as ndots:0");
  add_repeatable(command, "--add-host", options.extra_hosts,
                 "Line for its hosts file: NAME:IP, or NAME:host-gateway");
  add_repeatable(command, "--label", options.labels, "Label: KEY=VALUE");
  command.add_option("--id", options.id, "64 hex digits, else made up");
}

void add_namespace_options(CLI::App& command, CreateOptions& options) {
  CLI::Option* path =
      command.add_option("--netns", options.netns_path, "Use the network namespace at this path");
  CLI::Option* pid =
      command.add_option("--pid", options.pid, "Use this process's")->check(CLI::PositiveNumber);
  CLI::Option* share =
      command.add_option("--share", options.share, "Live in another sandbox's namespace");
  path->excludes(pid)->excludes(share);
  pid->excludes(share);
}

}  // namespace

void add_sandbox_create(CLI::App& sandbox, Context& context) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App* command = sandbox.add_subcommand(
      "create", "Make a sandbox, put it on networks, publish its ports, and print its id");
  add_repeatable(*command, "--network", options->networks,
                 "Join: NETWORK[:ip=…,ip6=…,alias=…,mac=…,ifname=…,gw-priority=…,opt=K=V]");
  add_repeatable(*command, "-p,--publish", options->publish,
                 "[IP:][HOSTPORT[-END]]:PORT[-END][/tcp|udp|sctp]");
  add_name_options(*command, *options);
  add_namespace_options(*command, *options);
  command->add_option("NAME", options->name, "The new sandbox's name")->required();
  command->footer(
      "Without --network it has a loopback only, until 'netctl network connect'. Without --netns,\n"
      "--pid and --share netd makes the namespace; 'netctl sandbox inspect' shows its path.\n\n"
      "Examples:\n"
      "  netctl sandbox create --network shop -p 8080:80 web\n"
      "  netctl sandbox create --network shop:ip=10.5.0.9,alias=db --network lan:gw-priority=10 "
      "db\n"
      "  netctl sandbox create --network shop --pid 4711 mine\n"
      "  netctl sandbox create --share web sidecar");
  command->callback([&context, options] { create_sandbox(context, *options); });
}

}  // namespace netd::ctl
