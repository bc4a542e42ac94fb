// Shell completion: small shell functions that ask netctl itself, so that they never lag behind it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "netd/ctl/context.h"

namespace netd::ctl {

/// The hidden first word with which the shell functions ask: "netctl __complete WORDS… LAST".
inline constexpr std::string_view completion_request = "__complete";

/// The script of a shell; empty for an unknown one.
std::string_view completion_script(std::string_view shell);

/// What the last of `words` may become: subcommands, flags, values of flags, names the daemon
/// knows. Without a daemon the names are missing, nothing else.
std::vector<std::string> complete(const CLI::App& application, Context& context,
                                  const std::vector<std::string>& words);

/// By name or alias; null when there is none.
const CLI::App* find_subcommand(const CLI::App& application, const std::string& word);

/// The subcommand of `application` that is nearest to a mistyped word; empty when none is near.
std::string nearest_subcommand(const CLI::App& application, std::string_view word);

}  // namespace netd::ctl
