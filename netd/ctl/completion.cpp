#include "netd/ctl/completion.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>

#include "netd/ctl/commands.h"

namespace netd::ctl {
namespace {

using nlohmann::json;

constexpr std::string_view bash_script =
    R"(# netctl completion for bash:  source <(netctl completion bash)
_netctl() {
  local IFS=$'\n'
  COMPREPLY=($(netctl __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _netctl netctl
)";

constexpr std::string_view zsh_script = R"(#compdef netctl
# netctl completion for zsh:  source <(netctl completion zsh)
_netctl() {
  local -a candidates
  candidates=("${(@f)$(netctl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- ${candidates:#}
}
# zsh runs a file of $fpath as the first call of its function: that TAB has to complete as well.
if [[ $funcstack[1] == _netctl ]]; then _netctl; else compdef _netctl netctl; fi
)";

constexpr std::string_view fish_script =
    R"(# netctl completion for fish:  netctl completion fish | source
function __netctl_complete
  set -l words (commandline -opc) (commandline -ct)
  netctl __complete $words[2..-1] 2>/dev/null
end
complete -c netctl -f -a '(__netctl_complete)'
)";

std::vector<std::string> names_of(Context& context, const std::string& target) {
  std::vector<std::string> names;
  try {
    for (const json& item : call(context, "GET", target))
      names.push_back(item.value("Name", ""));
  } catch (const std::exception&) {
    // No daemon, or no right to ask it: a shell that completes says nothing.
  }
  return names;
}

/// Candidates for a value by the upper-case name the help shows for it.
std::vector<std::string> values_for(const std::string& name, Context& context) {
  if (name == "NETWORK" || name == "--network" || name == "--config-from") {
    return names_of(context, "/networks");
  }
  if (name == "SANDBOX" || name == "--share") return names_of(context, "/sandboxes");
  if (name == "SHELL") return {"bash", "fish", "zsh"};
  if (name == "--driver" || name == "-d")
    return {"bridge", "host", "ipvlan", "macvlan", "null", "overlay"};
  return {};
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

/// The option of the command or of one above it (-H).
const CLI::Option* find_option(const CLI::App& command, const std::string& word) {
  for (const CLI::App* place = &command; place; place = place->get_parent()) {
    for (const CLI::Option* option : place->get_options()) {
      if (option->check_name(word)) return option;
    }
  }
  return nullptr;
}

/// Where the words before the last one lead to.
struct Place {
  const CLI::App* command = nullptr;
  std::size_t positionals = 0;           // already given
  const CLI::Option* waiting = nullptr;  // an option whose value comes next
  bool is_foreign = false;               // behind "--"
};

Place walk(const CLI::App& application, const std::vector<std::string>& words) {
  Place place{.command = &application};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      place.is_foreign = true;
      return place;
    }
    if (place.waiting) {
      place.waiting = nullptr;
      continue;
    }
    if (word.starts_with('-')) {
      const CLI::Option* option = find_option(*place.command, word);
      if (option && takes_value(*option)) place.waiting = option;
      continue;
    }
    const CLI::App* next = find_subcommand(*place.command, word);
    if (next) {
      place.command = next;
      place.positionals = 0;
    } else {
      ++place.positionals;
    }
  }
  return place;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames())
      flags.push_back("--" + name);
  }
  return flags;
}

std::vector<std::string> subcommands_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* subcommand : command.get_subcommands({}))
    names.push_back(subcommand->get_name());
  return names;
}

std::vector<std::string> positional_values(const Place& place, Context& context) {
  std::size_t skipped = 0;
  for (const CLI::Option* option : place.command->get_options()) {
    if (!option->get_positional()) continue;
    const bool takes_all = option->get_items_expected_max() > 1;
    if (skipped++ == place.positionals || takes_all) {
      return values_for(option->get_name(true), context);
    }
  }
  return {};
}

std::vector<std::string> candidates_at(const Place& place, const std::string& last,
                                       Context& context) {
  if (place.is_foreign) return {};
  if (place.waiting && place.waiting->get_name() == "--format") {
    return {"json", place.command->get_name() == "topology" ? "tree" : "table"};
  }
  if (place.waiting) return values_for(place.waiting->get_name(), context);
  if (last.starts_with('-')) return flags_of(*place.command);
  const auto subcommands = subcommands_of(*place.command);
  return subcommands.empty() ? positional_values(place, context) : subcommands;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script;
  if (shell == "zsh") return zsh_script;
  if (shell == "fish") return fish_script;
  return {};
}

std::vector<std::string> complete(const CLI::App& application, Context& context,
                                  const std::vector<std::string>& words) {
  const std::string last = words.empty() ? "" : words.back();
  std::vector<std::string> fitting;
  for (std::string& candidate : candidates_at(walk(application, words), last, context)) {
    if (!candidate.empty() && candidate.starts_with(last)) fitting.push_back(std::move(candidate));
  }
  std::sort(fitting.begin(), fitting.end());
  return fitting;
}

const CLI::App* find_subcommand(const CLI::App& application, const std::string& word) {
  for (const CLI::App* subcommand : application.get_subcommands({})) {
    if (subcommand->check_name(word)) return subcommand;
  }
  return nullptr;
}

std::string nearest_subcommand(const CLI::App& application, std::string_view word) {
  constexpr std::size_t most = 2;
  std::string nearest;
  std::size_t best = most + 1;
  for (const std::string& name : subcommands_of(application)) {
    const std::size_t distance = edit_distance(word, name);
    if (distance >= best) continue;
    best = distance;
    nearest = name;
  }
  return nearest;
}

void add_completion_command(CLI::App& application, Context& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      application.add_subcommand("completion", "Print the completion script of a shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  source <(netctl completion bash)\n"
      "  netctl completion zsh > \"${fpath[1]}/_netctl\"\n"
      "  netctl completion fish > ~/.config/fish/completions/netctl.fish");
  command->callback([&context, shell] { context.out << completion_script(*shell); });
}

}  // namespace netd::ctl
