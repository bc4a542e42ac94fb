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
  const char* wanted = std::getenv("NETD_HOST");
  std::string host(wanted && *wanted ? wanted : netd::client::default_host);
  netd::ctl::DaemonApi api(host);
  netd::ctl::Context context{.api = api,
                             .in = std::cin,
                             .out = std::cout,
                             .err = std::cerr,
                             .host = host,
                             .colour = wants_colour()};
  return netd::ctl::run({argv + 1, argv + argc}, context);
}
