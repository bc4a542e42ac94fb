#include "drivers/driver.h"

#include "drivers/options.h"

namespace drivers {

std::string Driver::interface_prefix(const Network& network) const {
  return text_option(network.options, option_interface_prefix, "eth");
}

std::optional<DefaultRoute> Driver::default_route(const Network& network, const Endpoint& endpoint,
                                                  ipam::Family family) const {
  const auto through = gateway(network, endpoint, family);
  if (!through) return std::nullopt;
  return DefaultRoute{through, endpoint.sandbox_index};
}

}  // namespace drivers
