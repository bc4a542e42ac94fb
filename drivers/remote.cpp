#include "drivers/remote.h"

#include <algorithm>

#include "drivers/interior.h"
#include "drivers/options.h"

namespace drivers {
Traits Remote::traits() const {
  return {.gateway_on_host = false, .publishes = false};
}

std::vector<std::string> Remote::check_endpoint(const Network&, const Endpoint& endpoint) const {
  endpoint_sysctls(endpoint.options, endpoint.sandbox_link);
  return {};
}

std::optional<ipam::Address> Remote::gateway(const Network& network, const Endpoint& endpoint,
                                             ipam::Family family) const {
  if (network.internal || !endpoint.joined) return std::nullopt;
  return family == ipam::Family::v4 ? endpoint.joined->gateway4 : endpoint.joined->gateway6;
}

std::vector<StaticRoute> Remote::routes(const Network&, const Endpoint& endpoint) const {
  if (!endpoint.joined) return {};
  std::vector<StaticRoute> sorted = endpoint.joined->routes;
  std::ranges::stable_partition(
      sorted, [](const StaticRoute& route) { return !route.next_hop.has_value(); });
  return sorted;
}

sandbox::Plan Remote::endpoint_plan(const Network& network, const Endpoint& endpoint,
                                    const Sandbox& sandbox) const {
  sandbox::Plan plan;
  if (!endpoint.joined || endpoint.joined->source_link.empty()) return plan;
  plan.push_back(sandbox::MoveLink{.name = endpoint.joined->source_link,
                                   .netns = sandbox.netns,
                                   .new_name = endpoint.sandbox_link,
                                   .index = endpoint.sandbox_index});
  if (endpoint.mac != ipam::Mac{})
    plan.push_back(sandbox::SetLink{
        .netns = sandbox.netns, .index = endpoint.sandbox_index, .mac = endpoint.mac});
  add_interior(network, endpoint, sandbox, plan);
  add_routes(routes(network, endpoint), endpoint, sandbox, plan);
  return plan;
}

}  // namespace drivers
