// netavark's command line (netavark(1)): netavark [OPTIONS] COMMAND [ARGUMENTS].
#pragma once

#include <string>
#include <vector>

namespace runtime_hooks::netavark {

struct Options {
  std::string file;     // -f: instead of stdin
  std::string command;  // "setup", "teardown", "update", "create", "version", "info", …
  std::string subject;  // the namespace of setup and teardown, the network of update
  std::vector<std::string> dns_servers;  // of update
};

/// `words` are without the program's name. What is netavark's own affair, its configuration
/// directory, firewall driver and DNS server, is taken and not looked at. No command: a plugin's
/// "info". Throws std::invalid_argument.
Options parse_options(const std::vector<std::string>& words);

}  // namespace runtime_hooks::netavark
