#include "drivers/interior.h"

#include "drivers/options.h"

namespace drivers {

void add_bridge_port(const Network& network, const Endpoint& endpoint, const Sandbox& sandbox,
                     std::uint32_t mtu, sandbox::Plan& plan) {
  plan.push_back(sandbox::CreateVeth{.name = endpoint.host_link,
                                     .index = endpoint.host_index,
                                     .mac = endpoint.host_mac,
                                     .netns = sandbox.netns,
                                     .peer_name = endpoint.sandbox_link,
                                     .peer_index = endpoint.sandbox_index,
                                     .peer_mac = endpoint.mac,
                                     .mtu = mtu});
  plan.push_back(sandbox::SetLink{.netns = "",
                                  .index = endpoint.host_index,
                                  .alias = "netd:" + endpoint.id,
                                  .master = network.link_index,
                                  .ipv6_link_local = false,
                                  .up = true});
}

void add_routes(const std::vector<StaticRoute>& routes, const Endpoint& endpoint,
                const Sandbox& sandbox, sandbox::Plan& plan) {
  for (const StaticRoute& route : routes)
    plan.push_back(sandbox::AddRoute{.netns = sandbox.netns,
                                     .destination = route.destination.masked(),
                                     .gateway = route.next_hop,
                                     .index = route.type.empty() ? endpoint.sandbox_index : 0,
                                     .metric = route.metric,
                                     .type = route.type});
}

void add_interior(const Network& network, const Endpoint& endpoint, const Sandbox& sandbox,
                  sandbox::Plan& plan) {
  const bool accepts_ra = bool_option(network.options, option_accept_ra, false);
  if (accepts_ra)
    for (const char* key : {"accept_ra", "autoconf"})
      plan.push_back(sandbox::SetSysctl{.netns = sandbox.netns,
                                        .key = "net/ipv6/conf/" + endpoint.sandbox_link + "/" + key,
                                        .value = "1"});
  for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
    if (address)
      plan.push_back(sandbox::AddAddress{
          .netns = sandbox.netns, .index = endpoint.sandbox_index, .address = *address});
  for (const ipam::Prefix& address : endpoint.link_local)
    plan.push_back(sandbox::AddAddress{
        .netns = sandbox.netns, .index = endpoint.sandbox_index, .address = address});
  for (auto& [key, value] : endpoint_sysctls(endpoint.options, endpoint.sandbox_link))
    plan.push_back(sandbox::SetSysctl{.netns = sandbox.netns, .key = key, .value = value});
  plan.push_back(sandbox::SetLink{.netns = sandbox.netns,
                                  .index = endpoint.sandbox_index,
                                  .ipv6_link_local = network.ipv6 || endpoint.ipv6 || accepts_ra,
                                  .up = true});
}

}  // namespace drivers
