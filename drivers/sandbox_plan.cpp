#include "drivers/sandbox_plan.h"

namespace drivers {
namespace {

constexpr std::uint32_t loopback_index = 1;  // in every network namespace

/// Interfaces inherit these when they are made, so an endpoint needs no sysctl of its own.
void add_interface_defaults(const SandboxNeeds& needs, sandbox::Plan& plan) {
  const auto set = [&](const char* key, const char* value) {
    plan.push_back(sandbox::SetSysctl{.netns = needs.sandbox.netns, .key = key, .value = value});
  };
  set("net/ipv6/conf/default/accept_dad", "0");  // IPAM keeps addresses unique
  set("net/ipv6/conf/default/accept_ra", "0");   // the route is ours to set
}

void add_route(const SandboxNeeds& needs, ipam::Family family, const DefaultRoute& route,
               sandbox::Plan& plan) {
  plan.push_back(sandbox::AddRoute{.netns = needs.sandbox.netns,
                                   .destination = {ipam::Address::any(family), 0},
                                   .gateway = route.gateway,
                                   .index = route.link_index,
                                   .metric = route.metric});
}

}  // namespace

sandbox::Plan sandbox_plan(const SandboxNeeds& needs) {
  sandbox::Plan plan;
  plan.push_back(sandbox::PinNamespace{.path = needs.sandbox.netns, .source = needs.source});
  if (!needs.owns_stack) return plan;
  plan.push_back(
      sandbox::SetLink{.netns = needs.sandbox.netns, .index = loopback_index, .up = true});
  if (needs.ipv6) add_interface_defaults(needs, plan);
  if (needs.dns_port != 0)
    plan.push_back(sandbox::RedirectDns{.netns = needs.sandbox.netns, .port = needs.dns_port});
  if (needs.route4) add_route(needs, ipam::Family::v4, *needs.route4, plan);
  if (needs.route6) add_route(needs, ipam::Family::v6, *needs.route6, plan);
  return plan;
}

}  // namespace drivers
