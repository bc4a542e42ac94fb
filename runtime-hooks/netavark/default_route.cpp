#include "runtime-hooks/netavark/default_route.h"

#include <cstdint>
#include <istream>
#include <optional>
#include <sstream>

namespace runtime_hooks::netavark {

std::string default_route_interface(std::istream& routes) {
  constexpr unsigned is_up = 1;
  std::string best, line;
  std::optional<std::uint64_t> least;
  while (std::getline(routes, line)) {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask …; addresses and flags in hex
    std::istringstream fields(line);
    std::string interface, destination, gateway, mask;
    unsigned flags = 0, references = 0, uses = 0;
    std::uint64_t metric = 0;
    fields >> interface >> destination >> gateway >> std::hex >> flags >> std::dec >> references >>
        uses >> metric >> mask;
    if (!fields || destination != "00000000" || mask != "00000000" || (flags & is_up) == 0)
      continue;
    if (least && *least <= metric) continue;
    least = metric;
    best = interface;
  }
  return best;
}

}  // namespace runtime_hooks::netavark
