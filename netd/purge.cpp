// `system purge`: nothing of netd stays.
#include <fmt/format.h>

#include <filesystem>

#include "netd/controller_state.h"
#include "netd/engine_driver.h"
#include "netd/failures.h"
#include "netd/log.h"
#include "netd/overlays.h"

namespace netd {
namespace {

/// Links that carry netd's alias but stand in no record.
void remove_strays(sandbox::Kernel& kernel) {
  for (const std::string& name : kernel.link_names(""))
    if (const auto link = kernel.find_link("", name); link && link->alias.starts_with("netd:"))
      kernel.revert(sandbox::CreateBridge{.name = link->name, .index = link->index});
}

/// Host-wide settings back to what they were before the first network.
void restore_host_settings(Store& store, sandbox::Kernel& kernel) {
  constexpr std::string_view prefix = "sysctl/";
  for (const Entry& entry : store.list(std::string(prefix))) {
    kernel.apply(
        sandbox::SetHostSysctl{.key = entry.key.substr(prefix.size()), .value = entry.value});
    store.txn({}, {{entry.key, std::nullopt}}, Durability::power);
  }
}

}  // namespace

void Controller::State::begin_again() {
  if (!purged) return;
  kernel.replace_firewall(cluster_elements(store, kernel));
  purged = false;
  std::vector<std::string> problems;
  make_builtin_networks(problems);
  for (const std::string& problem : problems)
    log::warn("after the purge", {{"problem", problem}});
}

std::vector<std::string> Controller::purge() {
  State& state = *state_;
  Failures failures;
  // Sandboxes that live in another's namespace go before it.
  for (const bool shared : {true, false})
    for (const SandboxRecord* record : state.records.sandboxes())
      if (record->spec.shared_with.empty() != shared)
        failures.attempt([&] { state.remove_sandbox(*record); });
  EngineDriver engine(state);
  for (const EndpointRecord* record : state.records.endpoints())
    failures.attempt([&] { engine.delete_endpoint(record->network_id, record->endpoint.id); });
  for (const NetworkRecord* record : state.records.networks())
    failures.attempt([&] { state.remove_network(*record); });
  failures.attempt([&] { state.claims.clear(); });
  failures.attempt([&] { state.bound.clear(); });
  failures.attempt([&] {
    if (state.overlays)
      state.overlays->encryption().bring_down();
    else
      Encryption(state.store, state.kernel, "").bring_down();
  });
  failures.attempt([&] { remove_strays(state.kernel); });
  failures.attempt([&] { state.kernel.drain(); });
  failures.attempt([&] { state.kernel.remove_firewall(); });
  failures.attempt([&] { restore_host_settings(state.store, state.kernel); });
  state.purged = true;
  // This host is a member still, and the networks are the cluster's: nothing of them is in the
  // kernel.
  if (state.overlays) state.overlays->learn_missing();
  std::error_code ignored;  // not empty: somebody else's files, or a failure that is told above
  std::filesystem::remove(state.config.run_dir + "/sandboxes", ignored);
  return failures.texts();
}

}  // namespace netd
