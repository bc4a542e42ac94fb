// netctl: Docker's network words for netd, and sandboxes.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "netd/ctl/run.h"

namespace {

/// https://no-color.org
bool wants_colour() {
  return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  netd::ctl::DaemonAddress daemon;
  if (const char* host = std::getenv("NETD_HOST"); host && *host) daemon.host = host;
  const char* verify = std::getenv("NETD_TLS_VERIFY");  // as docker: anything but "" is yes
  daemon.tls_verify = verify && *verify;
  netd::ctl::DaemonApi api(daemon);
  netd::ctl::Context context{.api = api,
                             .in = std::cin,
                             .out = std::cout,
                             .err = std::cerr,
                             .daemon = daemon,
                             .colour = wants_colour()};
  return netd::ctl::run({argv + 1, argv + argc}, context);
}
