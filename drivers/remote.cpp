#include "drivers/remote.h"

#include "drivers/interior.h"
#include "drivers/options.h"

namespace drivers {
namespace {

/// Routes on the link first: the others' next hops are reached through them.
void add_routes(const Joined& joined, const Endpoint& endpoint, const Sandbox& sandbox,
                sandbox::Plan& plan) {
  for (const bool on_link : {true, false})
    for (const Joined::StaticRoute& route : joined.routes)
      if (on_link != route.next_hop.has_value())
        plan.push_back(sandbox::AddRoute{.netns = sandbox.netns,
                                         .destination = route.destination.masked(),
                                         .gateway = route.next_hop,
                                         .index = endpoint.sandbox_index});
}

}  // namespace

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
  add_interior(endpoint, sandbox, network.ipv6 || endpoint.ipv6, plan);
  add_routes(*endpoint.joined, endpoint, sandbox, plan);
  return plan;
}

}  // namespace drivers
