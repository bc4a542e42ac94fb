// system info, prune, purge, version.
#include <nlohmann/json.hpp>
#include <ostream>

#include <fmt/format.h>

#include "netd/ctl/application.h"
#include "netd/ctl/commands.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

struct ShowOptions {
  std::string format = "table";
};

struct RemoveOptions {
  bool force = false;
};

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void show_info(Context& context, const ShowOptions& options) {
  const json info = call(context, "GET", "/system");
  if (options.format == "json") {
    context.out << info.dump(2) << '\n';
    return;
  }
  constexpr std::pair<const char*, const char*> lines[] = {
      {"Version", "Version"},
      {"Networks", "Networks"},
      {"Sandboxes", "Sandboxes"},
      {"Endpoints", "Endpoints"},
      {"ReaperWaiting", "Links waiting to be deleted"},
      {"StateDir", "State directory"},
      {"RunDir", "Run directory"}};
  for (const auto& [key, label] : lines) {
    if (info.contains(key)) context.out << fmt::format("{}: {}\n", label, text_of(info[key]));
  }
  context.out << fmt::format("Socket: {}\n", context.daemon.host);
}

void prune(Context& context, const RemoveOptions& options) {
  if (!options.force) {
    confirm(context, "WARNING! This will remove all user-defined networks that no sandbox is on.");
  }
  const json removed = call(context, "POST", "/system/prune");
  for (const auto& [kind, heading] : {std::pair{"NetworksDeleted", "Deleted Networks:"},
                                      std::pair{"SandboxesDeleted", "Deleted Sandboxes:"}}) {
    const json names = removed.is_object() ? removed.value(kind, json()) : json();
    if (!names.is_array() || names.empty()) continue;
    context.out << heading << '\n';
    for (const json& name : names)
      context.out << name.get<std::string>() << '\n';
  }
}

void purge(Context& context, const RemoveOptions& options) {
  if (!options.force) {
    confirm(context,
            "WARNING! This will remove every network and sandbox of netd on this host, and cut\n"
            "whatever runs in them off the network.");
  }
  const json result = call(context, "POST", "/system/purge");
  const json failures = result.is_object() ? result.value("Failures", json()) : json();
  if (!failures.is_array() || failures.empty()) return;
  for (const json& failure : failures)
    print_error(context, text_of(failure));
  throw Failed("not all could be removed (see above); run 'netctl system purge' again");
}

void show_version(Context& context, const ShowOptions& options) {
  const bool as_json = options.format == "json";
  if (!as_json) context.out << "Client:\n Version: " << NETD_VERSION << std::endl;
  const json server = call(context, "GET", "/version");
  if (as_json) {
    const json both{{"Client", {{"Version", NETD_VERSION}}}, {"Server", server}};
    context.out << both.dump(2) << '\n';
    return;
  }
  context.out << fmt::format("Server:\n Version: {}\n API version: {} (minimum {})\n Kernel: {}\n",
                             server.value("Version", ""), server.value("ApiVersion", ""),
                             server.value("MinAPIVersion", ""), server.value("KernelVersion", ""));
}

CLI::App* add_show(CLI::App& system, const char* name, const char* description,
                   const std::shared_ptr<ShowOptions>& options) {
  CLI::App* command = system.add_subcommand(name, description);
  command->add_option("--format", options->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  return command;
}

}  // namespace

void add_system_commands(CLI::App& application, Context& context) {
  CLI::App* system =
      application.add_subcommand("system", "The daemon itself: state, clean-up, version");
  system->require_subcommand(1);

  auto info_options = std::make_shared<ShowOptions>();
  CLI::App* info = add_show(*system, "info", "How much there is, and what waits", info_options);
  info->callback([&context, info_options] { show_info(context, *info_options); });

  auto prune_options = std::make_shared<RemoveOptions>();
  CLI::App* prune_command = system->add_subcommand("prune", "Remove what nobody uses");
  prune_command->add_flag("-f,--force", prune_options->force, "Don't ask");
  prune_command->callback([&context, prune_options] { prune(context, *prune_options); });

  auto purge_options = std::make_shared<RemoveOptions>();
  CLI::App* purge_command = system->add_subcommand(
      "purge",
      "Remove everything netd ever made here: sandboxes, networks, rules, namespaces, files");
  purge_command->add_flag("-f,--force", purge_options->force, "Don't ask");
  purge_command->footer(
      "For getting rid of netd, or starting over. Exits with 1 and says what is left when "
      "something\n"
      "can't be removed.\n\nExample:\n  netctl system purge --force && systemctl disable --now "
      "netd");
  purge_command->callback([&context, purge_options] { purge(context, *purge_options); });

  auto version_options = std::make_shared<ShowOptions>();
  CLI::App* version = add_show(*system, "version", "Of netctl and of the daemon", version_options);
  version->callback([&context, version_options] { show_version(context, *version_options); });
}

}  // namespace netd::ctl
