// Links that went while netd was away, or under its eyes: made again, with what is on them.
#include <fmt/format.h>

#include <algorithm>

#include "netd/log.h"
#include "netd/overlays.h"
#include "netd/parents.h"
#include "netd/restore.h"

namespace netd {

/// What makes parents before what is on them.
std::vector<const NetworkRecord*> Restore::parents_first(
    std::vector<const NetworkRecord*> networks) {
  std::ranges::stable_partition(
      networks, [](const NetworkRecord* record) { return !record->network.adopted_link; });
  return networks;
}

/// The parent may have gone, and come back with another index; what netd has made on it went too.
void Restore::restore_on_parent(NetworkRecord record) {
  if (!find_parent_again(state_, record.network)) {
    problems_.push_back(fmt::format("network {}: its parent {} is missing", record.network.name,
                                    record.network.link_name));
    return;
  }
  const auto change_to = [&](const sandbox::Plan& plan) {
    if (plan == state_.records.network(record.network.id)->progress.plan) return;
    record.progress.plan = plan;
    Work work(state_.store, state_.kernel, state_.records);
    work.change(record);
    work.commit(Durability::power);
  };
  const sandbox::Plan plan = state_.driver_of(record).network_plan(record.network);
  const auto is_missing = [&](const sandbox::Step& step) {
    const auto* link = std::get_if<sandbox::CreateLink>(&step);
    const auto* pair = std::get_if<sandbox::CreateVeth>(&step);
    return (link && !state_.kernel.find_link("", link->name)) ||
           (pair && !state_.kernel.find_link("", pair->name));
  };
  if (std::ranges::any_of(plan, is_missing)) change_to({});
  change_to(plan);
  const drivers::Network& before = state_.records.network(record.network.id)->network;
  if (before.link_index != record.network.link_index ||
      before.link_name != record.network.link_name || before.parent != record.network.parent)
    state_.write(record, Durability::power);
}

bool Restore::has_link(const EndpointRecord& record, const SandboxRecord& sandbox) const {
  const drivers::Endpoint& endpoint = record.endpoint;
  const bool outside = !endpoint.host_link.empty();
  const auto link = outside ? state_.kernel.find_link("", endpoint.host_link)
                            : state_.kernel.find_link(sandbox.sandbox.netns, endpoint.sandbox_link);
  return link && link->index == (outside ? endpoint.host_index : endpoint.sandbox_index);
}

/// Makes endpoints again whose link somebody deleted meanwhile; whether there were any.
bool Restore::restore_endpoints(const SandboxRecord& sandbox) {
  bool any = false;
  for (const EndpointRecord* record : state_.records.endpoints_of_sandbox(sandbox.sandbox.id)) {
    const drivers::Network& network = state_.records.network(record->network_id)->network;
    if (network.parent && !state_.kernel.find_link("", network.link_name)) continue;
    if (record->remote.joined || record->progress.plan.empty() || has_link(*record, sandbox))
      continue;
    any = true;
    if (!is_on_another_link(*record, sandbox)) {
      remake(record->progress.plan, "endpoint of " + sandbox.spec.name);
      continue;
    }
    // Nothing of it is there: restore_plans() makes all of what it is now.
    EndpointRecord bare = *record;
    bare.progress.plan = {};
    Work work(state_.store, state_.kernel, state_.records);
    work.change(std::move(bare));
    work.commit(Durability::process);
  }
  return any;
}

/// Whether its network's parent is another link than the one it was made on.
bool Restore::is_on_another_link(const EndpointRecord& record, const SandboxRecord& sandbox) const {
  const NetworkRecord& of = *state_.records.network(record.network_id);
  if (!of.network.parent) return false;
  const sandbox::Plan now =
      state_.driver_of(of).endpoint_plan(of.network, record.endpoint, sandbox.sandbox);
  return now.front() != record.progress.plan.front();
}

/// Links, plans, and what went with the links.
void Restore::restore_attachments(SandboxRecord record) {
  const bool were_missing = restore_endpoints(record);
  const std::string id = record.sandbox.id;
  restore_plans(std::move(record));
  const SandboxRecord& now = *state_.records.sandbox(id);
  if (were_missing) remake(now.progress.plan, "sandbox " + now.spec.name);
}

/// What the drivers say today, where it differs from what is there.
void Restore::restore_plans(SandboxRecord record) {
  std::vector<EndpointRecord> endpoints;
  for (const EndpointRecord* endpoint : state_.records.endpoints_of_sandbox(record.sandbox.id))
    endpoints.push_back(*endpoint);
  state_.replan(record, endpoints);
  Work work(state_.store, state_.kernel, state_.records);
  state_.put_changes(work, record, endpoints);
  if (!work.is_empty()) work.commit(Durability::process);
  state_.refresh_sandbox(*state_.records.sandbox(record.sandbox.id));
}

/// A parent that came back has another index, and nothing on it.
void Restore::mend(const NetworkRecord& network) {
  restore_on_parent(network);
  for (const EndpointRecord* endpoint : state_.records.endpoints_of_network(network.network.id)) {
    const SandboxRecord* sandbox = state_.records.sandbox(endpoint->sandbox_id);
    if (!sandbox || sandbox->progress.state != State::joined ||
        !state_.kernel.is_pinned(sandbox->sandbox.netns) ||
        state_.busy.contains(sandbox->sandbox.id))
      continue;
    restore_attachments(*sandbox);
  }
}

std::vector<std::string> Restore::mend(const sandbox::LinkNotices& notices) {
  for (const NetworkRecord* network : parents_first(state_.records.networks_on_parents())) {
    if (network->progress.state != State::joined) continue;
    const auto is_of_its_parent = [&](const sandbox::LinkChange& change) {
      return change.index == network->network.link_index ||
             change.name == network->network.link_name;
    };
    if (!notices.lost && std::ranges::none_of(notices.changes, is_of_its_parent)) continue;
    try {
      mend(NetworkRecord(*network));
    } catch (const std::exception& error) {
      note("network " + network->network.name, error);
    }
  }
  return std::move(problems_);
}

void Controller::links_changed(const sandbox::LinkNotices& notices) {
  for (const std::string& problem : Restore(*state_, "").mend(notices))
    log::warn("a parent link changed", {{"problem", problem}});
  if (state_->overlays) state_->overlays->links_changed(notices);
}

}  // namespace netd
