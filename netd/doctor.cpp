// What differs between the records and the kernel, and what a user may wonder about.
#include <fmt/format.h>

#include "netd/controller_state.h"
#include "netd/engine_driver.h"

namespace netd {
namespace {

constexpr const char* restart = "start netd again: it makes what is missing";

/// A plugin's link is the plugin's; one that went into an engine's container whole can't be seen.
bool is_there(const Controller& controller, sandbox::Kernel& kernel, const EndpointRecord& record) {
  const drivers::Endpoint& endpoint = record.endpoint;
  if (!endpoint.host_link.empty()) return kernel.find_link("", endpoint.host_link).has_value();
  if (record.engine || endpoint.joined) return true;
  const SandboxRecord& sandbox = controller.sandbox_by_id(record.sandbox_id);
  return kernel.find_link(sandbox.sandbox.netns, endpoint.sandbox_link).has_value();
}

void examine_links(const Controller& controller, sandbox::Kernel& kernel,
                   const NetworkRecord& network, std::vector<Finding>& findings) {
  const std::string& name = network.network.name;
  // An overlay network has no link while nobody here is on it.
  const bool has_link = !network.network.tunnel || !network.progress.plan.empty();
  if (has_link && !network.network.link_name.empty() &&
      !kernel.find_link("", network.network.link_name))
    findings.push_back(
        {.severity = "missing",
         .object = "link " + network.network.link_name,
         .network = name,
         .sandbox = "",
         .what = fmt::format("link {} of network {}", network.network.link_name, name),
         .repair = restart});
  if (has_link && network.network.tunnel) {
    const std::string& tunnel = network.network.tunnel->link;
    const auto vxlan = kernel.find_vxlan(tunnel);
    if (!vxlan || !vxlan->up)
      findings.push_back(
          {.severity = "missing",
           .object = "link " + tunnel,
           .network = name,
           .sandbox = "",
           .what = fmt::format("link {} of network {}{}", tunnel, name, vxlan ? " is down" : ""),
           .repair = "netd makes it again within a minute"});
  }
  for (const EndpointRecord* record : controller.endpoints_of(network.network.id)) {
    // One without a plan has no link: an engine's that is not joined.
    if (record->progress.plan.empty() || is_there(controller, kernel, *record)) continue;
    const std::string owner = controller.owner_of(*record);
    const std::string& link = record->endpoint.host_link.empty() ? record->endpoint.sandbox_link
                                                                 : record->endpoint.host_link;
    findings.push_back(
        {.severity = "missing",
         .object = "link " + link,
         .network = name,
         .sandbox = owner,
         .what = fmt::format("link {} of {} on {}", link, owner, name),
         .repair = record->engine ? "its container is gone: the engine removes the endpoint at its "
                                    "next start, netctl network disconnect -f does so now"
                                  : restart});
  }
}

void examine_names(const Controller& controller, const NetworkRecord& network,
                   std::vector<Finding>& findings) {
  if (!network.engine) return;
  std::size_t unnamed = 0;
  for (const EndpointRecord* record : controller.endpoints_of(network.network.id))
    unnamed += record->engine && record->engine->container_id.empty();
  const bool asks = !network.engine->api.empty();
  if (asks && unnamed == 0) return;
  findings.push_back(
      {.severity = "note",
       .object = "names",
       .network = network.network.name,
       .sandbox = "",
       .what = asks
                   ? fmt::format("the engine at {} has not told the names of {} containers on {}",
                                 network.engine->api, unnamed, network.network.name)
                   : fmt::format("names of the engine's containers on {} are known to the engine's "
                                 "own resolver only",
                                 network.network.name),
       .repair = asks ? "is the socket there, and does the engine answer?"
                      : "make the network with -o io.netd.engine=unix:///var/run/docker.sock"});
}

}  // namespace

std::vector<Finding> Controller::examine() const {
  std::vector<Finding> findings;
  for (const NetworkRecord* network : networks()) {
    examine_links(*this, state_->kernel, *network, findings);
    examine_names(*this, *network, findings);
  }
  return findings;
}

}  // namespace netd
