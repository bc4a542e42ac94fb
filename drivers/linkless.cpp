#include "drivers/linkless.h"

#include <fmt/format.h>

#include "drivers/options.h"

namespace drivers {

Traits Linkless::traits() const {
  return {.has_links = false,
          .allocates = false,
          .single_instance = true,
          .gateway_on_host = false,
          .publishes = false};
}

std::vector<std::string> Linkless::check_network(const Network& network) const {
  if (!network.pools.empty())
    throw std::invalid_argument(
        fmt::format("driver {} has no addresses: leave out --subnet", name_));
  return warn_unknown(network.options, {}, name());
}

std::vector<std::string> Linkless::check_endpoint(const Network&, const Endpoint& endpoint) const {
  return warn_unknown(endpoint.options, {}, name());
}

}  // namespace drivers
