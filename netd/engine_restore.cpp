// What becomes of an engine's endpoints when netd starts, and when an engine is gone.
#include <algorithm>

#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/log.h"

namespace netd {
namespace {

std::vector<sandbox::Step> links_of(const sandbox::Plan& plan) {
  std::vector<sandbox::Step> links;
  std::ranges::copy_if(plan, std::back_inserter(links), [](const sandbox::Step& step) {
    return std::holds_alternative<sandbox::CreateVeth>(step);
  });
  return links;
}

}  // namespace

void EngineDriver::restore_endpoint(EndpointRecord record, std::vector<std::string>& problems) {
  // Its container is gone, and the link with it: the engine will say so, or sweep() finds out.
  if (record.endpoint.host_link.empty() || !state_.kernel.find_link("", record.endpoint.host_link))
    return;
  std::vector<PublishedPorts::Held> held =
      state_.ports.reserve_again(record.endpoint.ports, problems);
  std::vector<drivers::Port> again = PublishedPorts::ports_of(held);
  std::ranges::copy_if(record.endpoint.ports, std::back_inserter(again),
                       [](const drivers::Port& port) { return port.host_port == 0; });
  if (again.size() != record.endpoint.ports.size()) record.endpoint.ports = std::move(again);
  const sandbox::Plan plan = plan_of(record);
  if (plan != record.progress.plan && links_of(plan) == links_of(record.progress.plan))
    change({record});
  state_.ports.keep(ports_shared_with(record).holder, std::move(held));
  serve_ports(record);
}

void EngineDriver::restore(std::vector<std::string>& problems) {
  for (const EndpointRecord* record : state_.records.endpoints()) {
    if (!record->engine || record->engine->sandbox_key.empty() ||
        record->progress.state != State::joined)
      continue;
    try {
      restore_endpoint(*record, problems);
    } catch (const std::exception& error) {
      problems.push_back("endpoint of " + engine_name(*record) + ": " + error.what());
    }
  }
}

std::size_t EngineDriver::sweep() {
  const auto is_gone = [](const sandbox::ProcessIdentity& process) {
    return !sandbox::is_alive(process);
  };
  std::size_t swept = 0;
  for (const EndpointRecord* record : state_.records.endpoints()) {
    if (!record->engine || !record->engine->process || !is_gone(*record->engine->process) ||
        record->progress.state == State::joining)
      continue;
    // A link without an end here can't be looked for: it may be in a container that lives on.
    const std::string& host_link = record->endpoint.host_link;
    const bool is_used = !record->engine->sandbox_key.empty() &&
                         (host_link.empty() || state_.kernel.find_link("", host_link));
    if (is_used) continue;
    log::info("an endpoint whose engine and container are gone is removed",
              {{"endpoint", log::short_id(record->endpoint.id)}, {"name", engine_name(*record)}});
    drop(EndpointRecord(*record));
    ++swept;
  }
  return swept + state_.claims.give_up(is_gone) + state_.bound.give_up(is_gone);
}

}  // namespace netd
