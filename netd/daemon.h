// The whole of netd, wired: locks, directories, store, kernel, DNS, controller, API, signals.
#pragma once

#include "netd/config.h"

namespace netd {

/// What the program ends with.
enum class ExitCode {
  stopped = 0,  // by SIGTERM or SIGINT, or --check-config found nothing wrong
  failed = 1,   // to start; the reason is logged
  usage = 2,    // flags or configuration file
};

/// Runs netd until SIGTERM or SIGINT; logging is set up already. Containers' networks are left up
/// and working. Call it once, on the first thread, before there are others: signals are blocked in
/// all threads but one.
ExitCode run_daemon(const Config& config);

}  // namespace netd
