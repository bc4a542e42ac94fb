#include "runtime-hooks/oci/hook.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime-hooks/known_sandboxes.h"
#include "runtime-hooks/netns_view.h"
#include "runtime-hooks/oci/files.h"
#include "runtime-hooks/oci/request.h"
#include "runtime-hooks/sandbox_id.h"
#include "sandbox/process.h"

namespace runtime_hooks::oci {
namespace {

using nlohmann::json;

constexpr int no_content = 204, not_found = 404, conflict = 409;

/// Whose sandbox it is: "4711@815", the container's process and when it started, so that no other
/// has that name; "" when the runtime told none. Sandboxes without are none of the hook's, but for
/// those of earlier hooks, whose process is unknown.
constexpr const char* process_label = "io.netd.process";
constexpr const char* container_label = "io.netd.container";
constexpr const char* unknown_process = "unknown";

constexpr const char* others_live_there =
    "netd-hook: others live in its namespace: netd removes its network when the last of their "
    "processes has ended\n";

std::string to_text(const sandbox::ProcessIdentity& process) {
  return fmt::format("{}@{}", process.pid, process.started);
}

std::string name_of_process(int pid) {
  const auto process = sandbox::identify_process(pid);
  return process ? to_text(*process) : "";
}

bool is_running(const std::string& name) {
  const auto process = sandbox::identify_process(std::atoi(name.c_str()));
  return process && to_text(*process) == name && sandbox::is_alive(*process);
}

/// Absent for no sandbox, too.
std::optional<std::string> process_of(const json& sandbox) {
  const json labels = sandbox.is_null() ? json() : sandbox.at("Labels");
  if (labels.contains(process_label)) return labels[process_label].get<std::string>();
  if (!labels.contains(container_label)) return std::nullopt;
  // An id of 64 digits is the one of CNI's sandbox, too; our digest is nobody else's.
  const auto container = labels[container_label].get<std::string>();
  const bool is_ours =
      !is_sandbox_id(container) && sandbox.at("Id") == sandbox_id("oci", container);
  return is_ours ? std::optional(unknown_process) : std::nullopt;
}

/// Other than process `but`: netd keeps the sandbox for them, and so do we.
bool has_other_residents(const json& sandbox, int but = 0) {
  return has_own_namespace(sandbox) &&
         sandbox::Residents().find(sandbox.at("NetnsPath").get<std::string>(), but);
}

json shared_with(const json& owner, const json& request, int pid) {
  json shared{{"Id", request["Id"]},
              {"Name", request["Name"]},
              {"SharedWith", owner["Id"]},
              {"Labels", request["Labels"]}};
  if (pid > 0) shared["Pid"] = pid;
  return shared;
}

std::string already_a_sandbox(const json& owner) {
  return fmt::format(
      "its network namespace is that of sandbox {} already, whose networks and ports it has: "
      "io.netd.networks and io.netd.publish have to go",
      owner.at("Name").get<std::string>());
}

std::string netns_of_process(int pid) {
  return fmt::format("/proc/{}/ns/net", pid);
}

bool exists(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
}

/// Runtimes may name a bundle by a link.
bool is_same_file(const std::string& path, const std::string& other) {
  std::error_code neither_is_there;
  return std::filesystem::equivalent(path, other, neither_is_there);
}

/// The process's own before what config.json says: with a path there both are the same, and a
/// process is somebody whose end can be seen.
NamespaceSource source_of(const Container& container) {
  if (const std::string* path = container.annotation("io.netd.netns")) return {.path = *path};
  if (container.pid > 0) return {.pid = container.pid};
  if (!container.netns_path.empty()) return {.path = container.netns_path};
  throw std::runtime_error(
      "the runtime names no process, and config.json no network namespace: there is nothing to "
      "connect");
}

}  // namespace

/// Null for none.
json Hook::find_sandbox(const std::string& id) {
  const auto answer = daemon_.ask("GET", "/sandboxes/" + id);
  if (answer.status == not_found) return nullptr;
  if (!answer.ok()) throw Refusal(answer.status, answer.message());
  return answer.json();
}

/// Only if it is still that process' container's.
netd::client::Response Hook::remove(const std::string& id, const std::string& process) {
  const std::string label =
      process == unknown_process ? container_label : fmt::format("{}={}", process_label, process);
  const json filters{{"label", {label}}};
  return daemon_.ask(
      "DELETE", fmt::format("/sandboxes/{}?filters={}", id, netd::client::encode(filters.dump())));
}

/// What has the id already is an earlier call's, or this one's when netd went away before it
/// answered; or a container's before this one, which netd or we remove as soon as it is dead.
json Hook::make_sandbox(const Container& container, json request, const std::string& netns) {
  const auto id = request["Id"].get<std::string>();
  const auto process = request["Labels"][process_label].get<std::string>();
  const auto end = Daemon::Clock::now() + patience_with_the_dying;
  for (;;) {
    const auto answer = daemon_.ask("POST", "/sandboxes", &request);
    if (answer.ok()) return answer.json();
    const Refusal refusal(answer.status, answer.message());
    if (answer.status != conflict) throw refusal;
    const json known = find_sandbox(id);
    const auto whose = process_of(known);
    if (whose == process) return known;
    if (whose && !is_running(*whose)) {
      if (!has_other_residents(known, container.pid))
        remove(id, *whose);
      else if (is_in(known, netns))
        return known;  // a pod's, whose first container starts again
    }
    const json owner = whose ? json() : owner_of(daemon_, netns);
    if (!owner.is_null()) {
      if (asks_for_networks(container)) throw Refusal(conflict, already_a_sandbox(owner));
      if (owner["Id"] == id) return owner;  // CNI's, for this very container
      if (!request.contains("SharedWith")) {
        request = shared_with(owner, request, container.pid);
        continue;
      }
    }
    const bool is_taken = answer.message().find("already in use") != std::string::npos;
    if (!is_taken || Daemon::Clock::now() >= end || !daemon_.wait_a_moment()) throw refusal;
  }
}

void Hook::put_files(const Container& container, const json& sandbox) {
  static const std::map<std::string, const char*> fields{
      {"resolv.conf", "ResolvConfPath"}, {"hosts", "HostsPath"}, {"hostname", "HostnamePath"}};
  const std::vector<std::string> wanted = wanted_files(container);
  std::vector<FileMount> files, placeholders;
  for (const auto& [name, field] : fields) {
    const std::string target = "etc/" + name;
    const auto mount = container.mounts.find("/" + target);
    if (std::ranges::find(wanted, name) != wanted.end())
      files.push_back({sandbox.at(field).get<std::string>(), target});
    else if (mount != container.mounts.end() &&
             is_same_file(mount->second, container.bundle + "/netd/" + name))
      placeholders.push_back({mount->second, target});  // netctl oci add-hooks'
  }
  if (container.pid <= 0 || (files.empty() && placeholders.empty())) return;
  const Root root{.path = container.rootfs, .read_only = container.is_read_only};
  for (const std::string& problem : mount_files(container.pid, root, files, placeholders))
    notes_ << "netd-hook: " << problem << '\n';
}

void Hook::undo(const json& request) {
  try {
    remove(request["Id"].get<std::string>(), request["Labels"][process_label].get<std::string>());
  } catch (const std::exception& error) {
    notes_ << "netd-hook: what was made is left to netd, which removes it with the container's "
              "process or namespace: "
           << error.what() << '\n';
  }
}

void Hook::attach(const Container& container) {
  const NamespaceSource source = source_of(container);
  const std::string netns = source.path.empty() ? netns_of_process(source.pid) : source.path;
  if (!exists(netns)) throw std::runtime_error(netns + ": there is no such network namespace");
  if (is_same_namespace(netns, "/proc/self/ns/net")) {
    if (!asks_for_networks(container)) return;
    throw std::runtime_error(
        "the container is in the host's network namespace: its config.json has to ask for a "
        "network namespace (linux.namespaces), or io.netd.networks and io.netd.publish have to go");
  }
  json request = create_request(container, source);
  request["Labels"][process_label] = name_of_process(container.pid);
  wanted_files(container);  // says what is wrong with it before anything is made
  try {
    const json sandbox = make_sandbox(container, request, netns);
    const auto pin = sandbox.at("NetnsPath").get<std::string>();
    // Where the runtime sees netd's pins: a netd in another PID namespace would have taken another
    // process for this one.
    if (exists(pin) && !is_same_namespace(pin, netns))
      throw std::runtime_error(fmt::format(
          "netd took another network namespace than {}: does it run in another PID namespace?",
          netns));
    put_files(container, sandbox);
  } catch (const Refusal&) {
    throw;  // nothing was made
  } catch (...) {
    undo(request);
    throw;
  }
}

void Hook::detach(const Container& container) {
  const std::string id = sandbox_id("oci", container.id);
  const auto end = Daemon::Clock::now() + patience_with_the_dying;
  for (;;) {
    const json known = find_sandbox(id);
    const auto process = process_of(known);
    if (!process) return;
    if (is_running(*process)) {
      // runc calls poststop of a container that was refused because another one has its id.
      if (Daemon::Clock::now() < end && daemon_.wait_a_moment()) continue;
      notes_ << "netd-hook: its network stays: the process that it was made for runs\n";
      return;
    }
    // Without Pid netd watches a path, which may stay.
    if (known.at("Pid") > 0 && has_other_residents(known)) {
      notes_ << others_live_there;
      return;
    }
    const auto answer = remove(id, *process);
    if (answer.status == no_content || answer.status == not_found) return;
    if (answer.status != conflict) throw Refusal(answer.status, answer.message());
    for (const json& sandbox : daemon_.get("/sandboxes"))
      if (sandbox.at("SharedWith").get<std::string>() == id) {
        notes_ << others_live_there;
        return;
      }
    if (!daemon_.wait_a_moment()) throw Refusal(conflict, answer.message());
  }
}

}  // namespace runtime_hooks::oci
