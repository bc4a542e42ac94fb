// port, sandbox ports.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include <fmt/format.h>

#include "netd/ctl/application.h"
#include "netd/ctl/arguments.h"
#include "netd/ctl/commands.h"
#include "netd/ctl/sandbox_view.h"
#include "netd/ctl/table.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct PortOptions {
  std::string sandbox;
  std::string port;  // "80" or "80/tcp"
  std::vector<std::string> add;
  std::vector<std::string> remove;
  ListOptions list;
};

std::string with_protocol(const std::string& port) {
  return port.find('/') == std::string::npos ? port + "/tcp" : port;
}

bool matches_port(const PublishedPort& port, const json& filters) {
  const std::size_t slash = port.container.find('/');
  const std::string number = port.container.substr(0, slash);
  const std::string protocol = slash == std::string::npos ? "" : port.container.substr(slash + 1);
  for (const auto& [key, values] : filters.items()) {
    if (key != "port" && key != "protocol") {
      throw UsageError(fmt::format("--filter {}: ports are filtered by port or protocol", key));
    }
    if (!values.contains(key == "port" ? number : protocol)) return false;
  }
  return true;
}

void print_ports(Context& context, const json& sandbox, const PortOptions& options) {
  const json filters = parse_filters(options.list.filters);
  const std::string wanted = options.port.empty() ? "" : with_protocol(options.port);
  json shown = json::array();
  for (const PublishedPort& port : published_ports(sandbox)) {
    if (!matches_port(port, filters)) continue;
    if (!wanted.empty() && port.container != wanted) continue;
    shown.push_back({{"Port", port.container}, {"Host", port.host}});
  }
  if (shown.empty() && !wanted.empty()) {
    throw Failed(
        fmt::format("port {} of {} is not published; add it with: netctl sandbox ports {} "
                    "--add HOSTPORT:{}",
                    wanted, options.sandbox, options.sandbox, wanted));
  }
  if (options.list.is_json() && !options.list.quiet) {
    context.out << shown.dump(2) << '\n';
    return;
  }
  const bool host_only = options.list.quiet || !wanted.empty();
  for (const json& port : shown) {
    if (!host_only) context.out << printable(port["Port"].get<std::string>()) << " -> ";
    context.out << printable(port["Host"].get<std::string>()) << '\n';
  }
}

void show_ports(Context& context, const PortOptions& options) {
  const std::string target = "/sandboxes/" + client::encode(options.sandbox);
  if (!options.add.empty() || !options.remove.empty()) {
    const json change{{"Add", parse_ports(options.add)}, {"Remove", parse_ports(options.remove)}};
    print_warnings(context, call(context, "POST", target + "/ports", change));
  }
  print_ports(context, call(context, "GET", target), options);
}

}  // namespace

void add_port_commands(CLI::App& application, CLI::App& sandbox, Context& context) {
  auto options = std::make_shared<PortOptions>();
  CLI::App* port = application.add_subcommand("port", "Where a sandbox's ports are published");
  port->add_option("SANDBOX", options->sandbox, "Name or id")->required();
  port->add_option("PORT", options->port, "Only this port of the sandbox: 80 or 53/udp");
  add_list_options(*port, options->list, "port, protocol");
  port->footer(
      "Examples:\n"
      "  netctl port web          80/tcp -> 0.0.0.0:8080\n"
      "  netctl port web 80       0.0.0.0:8080");
  port->callback([&context, options] { show_ports(context, *options); });

  auto change = std::make_shared<PortOptions>();
  CLI::App* ports =
      sandbox.add_subcommand("ports", "Show, publish and unpublish ports of a live sandbox");
  add_repeatable(*ports, "--add", change->add, "Publish, as in 'sandbox create --publish'");
  add_repeatable(*ports, "--rm", change->remove, "Unpublish, in the same words");
  add_list_options(*ports, change->list, "port, protocol");
  ports->add_option("SANDBOX", change->sandbox, "Name or id")->required();
  ports->footer(
      "All changes of one call happen together or not at all.\n\n"
      "Examples:\n"
      "  netctl sandbox ports web\n"
      "  netctl sandbox ports web --add 8443:443 --add 127.0.0.1:5353:53/udp\n"
      "  netctl sandbox ports web --rm 8080:80 --add 9090:80");
  ports->callback([&context, change] { show_ports(context, *change); });
}

}  // namespace netd::ctl
