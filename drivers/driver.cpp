#include "drivers/driver.h"

#include <algorithm>
#include <iterator>

#include "drivers/options.h"
#include "drivers/routes.h"

namespace drivers {

std::string Driver::interface_prefix(const Network& network) const {
  return text_option(network.options, option_interface_prefix, "eth");
}

std::optional<DefaultRoute> Driver::offered_route(const Network& network, const Endpoint& endpoint,
                                                  ipam::Family family) const {
  const auto through = gateway(network, endpoint, family);
  if (!through) return std::nullopt;
  return DefaultRoute{.gateway = through, .link_index = endpoint.sandbox_index};
}

std::optional<DefaultRoute> Driver::default_route(const Network& network, const Endpoint& endpoint,
                                                  ipam::Family family) const {
  if (bool_option(network.options, option_no_default_route, false)) return std::nullopt;
  auto route = offered_route(network, endpoint, family);
  if (route) route->metric = metric_option(network.options);
  return route;
}

std::vector<StaticRoute> Driver::routes(const Network& network, const Endpoint& endpoint) const {
  std::vector<StaticRoute> own;
  for (StaticRoute& route : route_options(network.options))
    if ((route.destination.address.is_v4() ? endpoint.ipv4 : endpoint.ipv6).has_value())
      own.push_back(std::move(route));
  if (endpoint.learned) std::ranges::copy(endpoint.learned->routes, std::back_inserter(own));
  return own;
}

}  // namespace drivers
