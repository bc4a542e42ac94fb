// How a CNI plugin is called: by environment variables (CNI spec 1.1, "Parameters"). The rules and
// texts are those of the reference implementation (containernetworking/cni, pkg/skel), which
// runtimes and their tests know.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace runtime_hooks::cni {

enum class Command { none, add, del, check, gc, status, version, unknown };

struct Call {
  Command command = Command::none;
  std::string word;  // CNI_COMMAND
  std::string container;
  std::string netns;
  std::string interface;
  bool is_netns_override = false;                // the plugin may run in `netns` itself
  std::map<std::string, std::string> arguments;  // CNI_ARGS
};

/// "" for a variable that is not set.
using Environment = std::function<std::string(const std::string& name)>;

/// Checks what the command requires. Throws Error(invalid_environment) that names all variables
/// which are missing, or the one that is wrong.
Call read_call(const Environment& environment);

/// CNI_ARGS that nobody here knows are refused, unless IgnoreUnknown is among them and true.
void check_arguments(const Call& call);

}  // namespace runtime_hooks::cni
