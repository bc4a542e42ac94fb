// The command tree of netctl, and what its commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "netd/ctl/context.h"

namespace netd::ctl {

/// The whole tree. Running a command happens while its words are parsed; `context` outlives the
/// tree.
std::unique_ptr<CLI::App> make_application(Context& context);

/// What every listing has.
struct ListOptions {
  std::string format = "table";  // or json
  bool quiet = false;
  bool full_ids = false;
  std::vector<std::string> filters;

  bool is_json() const { return format == "json"; }
};

/// Adds --format, -q and --filter. `filter_keys` completes the help: "driver, id, …".
void add_list_options(CLI::App& command, ListOptions& options, const std::string& filter_keys);

/// Adds --no-trunc, for listings with ids.
void add_full_ids(CLI::App& command, ListOptions& options);

/// A repeatable option, one value each time it is given: "-o a=1 -o b=2 NAME".
CLI::Option* add_repeatable(CLI::App& command, const std::string& name,
                            std::vector<std::string>& values, const std::string& description);

}  // namespace netd::ctl
