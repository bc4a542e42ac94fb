// netd-netavark: what podman takes for netavark, and netavark for a plugin. It starts at each
// container's start and stop, so it is small: no library that parses options, none for TLS.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime-hooks/netavark/create.h"
#include "runtime-hooks/netavark/front.h"
#include "runtime-hooks/netavark/options.h"

namespace {

using namespace runtime_hooks;
using namespace runtime_hooks::netavark;
using nlohmann::json;

constexpr std::size_t input_limit_bytes = 4 * 1024 * 1024;

constexpr const char* usage =
    "Usage: netavark [OPTIONS] setup NETNS | teardown NETNS | create | update NETWORK | version\n"
    "\n"
    "netd's stand-in for netavark: podman runs its containers on netd with it, see "
    "docs/podman.md.\n"
    "As a plugin of netavark: setup NETNS | teardown NETNS | create | info.\n"
    "\n"
    "  -f, --file FILE  reads FILE instead of stdin\n"
    "  NETD_HOST        where netd listens (unix:///run/netd/netd.sock)\n"
    "\n"
    "--config, --rootless, --aardvark-binary, --firewall-driver and --plugin-directory are "
    "netavark's\n"
    "own, and have no effect.\n";

json read_input(const Options& options) {
  std::ifstream file;
  if (!options.file.empty()) {
    file.open(options.file);
    if (!file) throw std::runtime_error(options.file + ": cannot be read");
  }
  std::istream& input = options.file.empty() ? std::cin : file;
  std::string text;
  char buffer[65536];
  while (input.read(buffer, sizeof buffer), input.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(input.gcount()));
    if (text.size() > input_limit_bytes) throw std::runtime_error("the input is over 4 MiB");
  }
  return parse_json(text);
}

void say(const json& answer) {
  std::cout << answer.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
}

std::string host() {
  const char* host = std::getenv("NETD_HOST");
  return host && *host ? host : std::string(netd::client::default_host);
}

const std::string& subject_of(const Options& options, const char* what) {
  if (options.subject.empty())
    throw std::invalid_argument(fmt::format("{} needs {}", options.command, what));
  return options.subject;
}

void create(const json& input) {
  say(input.contains("network") ? create_network(input) : create_plugin_network(input));
}

void run(const Options& options) {
  Daemon daemon(host(), {});
  Front front(daemon);
  if (options.command == "setup") {
    const std::string& netns = subject_of(options, "a network namespace");
    say(front.setup(read_container(read_input(options)), netns));
  } else if (options.command == "teardown") {
    front.teardown(read_container(read_input(options)));
  } else if (options.command == "update") {
    front.update(subject_of(options, "a network"));
  } else if (options.command == "create") {
    create(read_input(options));
  } else if (options.command == "version") {
    say({{"version", NETD_VERSION},
         {"commit", ""},
         {"build_time", ""},
         {"target", "netd"},
         {"default_fw_driver", "nftables"}});
  } else if (options.command == "info") {
    say({{"version", NETD_VERSION}, {"api_version", "1.0.0"}});
  } else if (options.command == "--version") {
    std::cout << "netd-netavark " NETD_VERSION "\n";
  } else if (options.command == "firewall-reload" || options.command == "firewalld-reload") {
    // netd's table is its own; nobody flushes it with another's.
  } else {
    throw std::invalid_argument(fmt::format("unrecognized subcommand '{}'", options.command));
  }
}

/// podman listens on published ports itself before it calls, unless it is told not to.
std::string hint_for(std::string_view refusal) {
  if (refusal.find("failed to bind host port") == std::string_view::npos) return "";
  return "; if podman itself has it: enable_port_reservation = false in containers.conf(5)";
}

int fail(const std::string& why) {
  say({{"error", why}});
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + (count > 0 ? 1 : 0), arguments + count);
  for (const std::string& word : words)
    if (word == "--help" || word == "-h") return std::fputs(usage, stdout) < 0;
  try {
    run(parse_options(words));
    return std::cout.flush() ? 0 : 1;
  } catch (const Refusal& refusal) {
    return fail(std::string("netd: ") + refusal.what() + hint_for(refusal.what()));
  } catch (const netd::client::NoDaemon& error) {
    return fail(fmt::format("{}; does netd run there?", error.what()));
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
