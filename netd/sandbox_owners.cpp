// Sandboxes whose namespace is another's: whether that is still there (docs/oci.md, "When nobody
// says goodbye").
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "netd/controller_state.h"
#include "netd/log.h"
#include "netd/owed_calls.h"
#include "sandbox/owner_watch.h"

namespace netd {
namespace {

/// 42 of "/proc/42/ns/net".
std::optional<int> process_of(std::string_view path) {
  constexpr std::string_view before = "/proc/", after = "/ns/net";
  if (!path.starts_with(before)) return std::nullopt;
  int pid = 0;
  const auto [rest, error] =
      std::from_chars(path.data() + before.size(), path.data() + path.size(), pid);
  if (error != std::errc{} || std::string_view(rest, path.data() + path.size()) != after)
    return std::nullopt;
  return pid;
}

}  // namespace

std::optional<sandbox::ProcessIdentity> Controller::State::adopted_process(
    const SandboxSpec& spec) {
  const std::optional<int> pid = spec.pid ? spec.pid : process_of(spec.netns_path);
  return pid ? sandbox::identify_process(*pid) : std::nullopt;
}

bool Controller::State::is_of_others(const SandboxRecord& sandbox) {
  return sandbox.process || sandbox.spec.pid || !sandbox.spec.netns_path.empty();
}

void Controller::State::watch_owner(const SandboxRecord& sandbox) {
  if (!owners || !is_of_others(sandbox)) return;
  const std::string& id = sandbox.sandbox.id;
  try {
    if (sandbox.process)
      owners->watch(id, *sandbox.process);
    else
      owners->watch(id, sandbox.spec.netns_path, sandbox.sandbox.netns);
  } catch (const std::system_error& error) {
    log::warn("a sandbox is not watched: when its process ends, netd does not remove it",
              {{"sandbox", sandbox.spec.name}, {"error", error.what()}});
  }
}

bool Controller::State::has_owner(const SandboxRecord& sandbox) const {
  if (sandbox.process) return sandbox::is_alive(*sandbox.process);
  // A process's path is no path of its own: its number may be another's by now.
  if (sandbox.spec.pid || process_of(sandbox.spec.netns_path)) return false;
  return kernel.is_namespace(sandbox.spec.netns_path, sandbox.sandbox.netns);
}

bool Controller::State::keeps_owner(const SandboxRecord& sandbox,
                                    std::optional<sandbox::Residents>& residents) {
  if (busy.contains(sandbox.sandbox.id)) {
    owners->remind(sandbox.sandbox.id);
    return true;
  }
  SandboxRecord record = sandbox;
  // The namespace of one that shares is another's, and so are the processes in it.
  if (!has_owner(record) && record.spec.shared_with.empty()) {
    if (!residents) residents.emplace();
    record.process = residents->find(record.sandbox.netns);
  }
  if (!has_owner(record)) return false;
  watch_owner(record);
  records.put(record);  // not into the store: the next start finds out as we did
  return true;
}

std::vector<const SandboxRecord*> Controller::State::sharers_of(const std::string& id) const {
  std::vector<const SandboxRecord*> sharers = records.sandboxes();
  std::erase_if(sharers, [&](const SandboxRecord* one) { return one->spec.shared_with != id; });
  return sharers;
}

void Controller::State::make_room_for(const SandboxSpec& spec) {
  if (!owners) return;
  for (const SandboxRecord* other : records.sandboxes()) {
    if (other->spec.name != spec.name && other->sandbox.id != spec.id) continue;
    if (!is_of_others(*other) || has_owner(*other) || busy.contains(other->sandbox.id)) continue;
    if (other->spec.shared_with.empty() && sandbox::Residents().find(other->sandbox.netns))
      continue;
    for (const EndpointRecord* endpoint : records.endpoints_of_sandbox(other->sandbox.id))
      if (!owed_by(*endpoint, *records.network(endpoint->network_id)).empty()) return;
    log::info("a sandbox makes room for the next of its name: its process has ended",
              {{"sandbox", other->spec.name}, {"id", log::short_id(other->sandbox.id)}});
    for (const SandboxRecord* sharer : sharers_of(other->sandbox.id))
      remove_sandbox(*sharer);
    remove_sandbox(*other);
    return make_room_for(spec);  // what is left of the list may have gone with it
  }
}

void Controller::use_owner_watch(sandbox::OwnerWatch& owners) {
  state_->owners = &owners;
}

std::vector<std::string> Controller::ended_sandboxes() {
  State& state = *state_;
  std::optional<sandbox::Residents> residents;
  std::vector<std::string> gone;
  for (const std::string& id : state.owners->ended()) {
    const SandboxRecord* sandbox = state.records.sandbox(id);
    try {
      if (!sandbox || state.keeps_owner(*sandbox, residents)) continue;
    } catch (const std::exception& error) {
      log::warn(
          "a sandbox whose process has ended is looked at again: it can't be seen who else "
          "lives there",
          {{"sandbox", sandbox->spec.name}, {"error", error.what()}});
      state.owners->remind(id);
      continue;
    }
    for (const SandboxRecord* sharer : state.sharers_of(id))
      if (std::ranges::find(gone, sharer->sandbox.id) == gone.end())
        gone.push_back(sharer->sandbox.id);
    if (std::ranges::find(gone, id) == gone.end()) gone.push_back(id);
  }
  return gone;
}

void Controller::remind_of_end(const std::string& sandbox_id) {
  if (state_->records.sandbox(sandbox_id)) state_->owners->remind(sandbox_id);
}

}  // namespace netd
