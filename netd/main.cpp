// netd, the daemon. Its parts are wired in daemon.cpp.
#include <cstdio>
#include <stdexcept>

#include "netd/config.h"
#include "netd/daemon.h"
#include "netd/log.h"

int main(int argc, char** argv) {
  using netd::ExitCode;
  netd::ParsedConfig parsed;
  try {
    parsed = netd::parse_config(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "netd: %s\n", error.what());
    return static_cast<int>(ExitCode::usage);
  }
  netd::log::set_up(parsed.config.log_level, parsed.config.log_format);
  for (const std::string& warning : parsed.warnings)
    netd::log::warn("configuration", {{"problem", warning}});
  if (parsed.check_only) {
    std::puts("netd: the configuration is valid");
    return static_cast<int>(ExitCode::stopped);
  }
  return static_cast<int>(netd::run_daemon(parsed.config));
}
