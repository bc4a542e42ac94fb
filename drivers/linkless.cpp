#include "drivers/host.h"

#include "drivers/options.h"

namespace drivers {

Traits Host::traits() const {
  return {.has_links = false,
          .allocates = false,
          .single_instance = true,
          .gateway_on_host = false,
          .publishes = false};
}

std::vector<std::string> Host::check_network(const Network& network) const {
  if (!network.pools.empty())
    throw std::invalid_argument("driver host has no addresses: leave out --subnet");
  return warn_unknown(network.options, {}, name());
}

std::vector<std::string> Host::check_endpoint(const Network&, const Endpoint& endpoint) const {
  return warn_unknown(endpoint.options, {}, name());
}

}  // namespace drivers
