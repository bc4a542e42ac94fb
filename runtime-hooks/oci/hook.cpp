#include "runtime-hooks/oci/hook.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "runtime-hooks/netns_view.h"
#include "runtime-hooks/oci/files.h"
#include "runtime-hooks/oci/request.h"
#include "runtime-hooks/sandbox_id.h"

namespace runtime_hooks::oci {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds patience_with_the_dying{1000};
constexpr int no_content = 204, not_found = 404, conflict = 409;

std::string target_of(const std::string& id) {
  return "/sandboxes/" + id;
}

std::string netns_of_process(int pid) {
  return fmt::format("/proc/{}/ns/net", pid);
}

bool exists(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
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

/// The sandbox of an earlier call for this container, if there is one; null for none.
json Hook::find_ours(const Container& container, const std::string& netns) {
  const auto answer = daemon_.ask("GET", target_of(sandbox_id("oci", container.id)));
  if (!answer.ok()) return nullptr;
  json sandbox = answer.json();
  return is_same_namespace(sandbox.at("NetnsPath").get<std::string>(), netns) ? sandbox : nullptr;
}

/// A container that was killed a moment ago may still be dying while the next one of its id or name
/// starts: netd makes room as soon as it is dead.
netd::client::Response Hook::post(const Container& container, const json& request,
                                  const std::string& netns) {
  const auto end = Daemon::Clock::now() + patience_with_the_dying;
  for (;;) {
    auto answer = daemon_.ask("POST", "/sandboxes", &request);
    if (answer.status != conflict || Daemon::Clock::now() >= end) return answer;
    const bool is_taken = answer.message().find("already in use") != std::string::npos;
    if (!is_taken || !find_ours(container, netns).is_null()) return answer;
    if (!daemon_.wait_a_moment()) return answer;
  }
}

/// The sandbox that has this namespace already, of a pod or made with netctl; empty: none has.
std::string Hook::find_owner(const std::string& netns) {
  for (const json& sandbox : daemon_.get("/sandboxes"))
    if (sandbox.at("SharedWith").get<std::string>().empty() &&
        is_same_namespace(sandbox.at("NetnsPath").get<std::string>(), netns))
      return sandbox.at("Id").get<std::string>();
  return "";
}

json Hook::make_sandbox(const Container& container, const json& request) {
  const std::string netns = request.contains("Pid") ? netns_of_process(request["Pid"].get<int>())
                                                    : request["NetnsPath"].get<std::string>();
  const auto answer = post(container, request, netns);
  if (answer.ok()) return answer.json();
  if (answer.status != conflict) throw Refusal(answer.status, answer.message());
  if (json ours = find_ours(container, netns); !ours.is_null()) return ours;
  const std::string owner = find_owner(netns);
  if (owner.empty() || asks_for_networks(container)) throw Refusal(conflict, answer.message());
  const json shared{{"Id", request["Id"]},
                    {"Name", request["Name"]},
                    {"SharedWith", owner},
                    {"Labels", request["Labels"]}};
  const auto sharing = daemon_.ask("POST", "/sandboxes", &shared);
  if (!sharing.ok()) throw Refusal(sharing.status, sharing.message());
  return sharing.json();
}

void Hook::put_files(const Container& container, const json& sandbox) {
  static const std::map<std::string, const char*> fields{
      {"resolv.conf", "ResolvConfPath"}, {"hosts", "HostsPath"}, {"hostname", "HostnamePath"}};
  std::vector<FileMount> files;
  for (const std::string& name : wanted_files(container))
    files.push_back({sandbox.at(fields.at(name)).get<std::string>(), "etc/" + name});
  if (files.empty() || container.pid <= 0) return;
  for (const std::string& problem : mount_files(container.pid, container.rootfs, files))
    notes_ << "netd-hook: " << problem << '\n';
}

void Hook::undo(const std::string& id) {
  try {
    daemon_.ask("DELETE", target_of(id));
  } catch (const std::exception& error) {
    notes_ << "netd-hook: what was made is left to netd, which removes it when the container's "
              "process ends: "
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
  const json request = create_request(container, source);
  wanted_files(container);  // says what is wrong with it before anything is made
  const std::string id = request["Id"].get<std::string>();
  try {
    const json sandbox = make_sandbox(container, request);
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
    undo(id);
    throw;
  }
}

void Hook::detach(const Container& container) {
  const std::string id = sandbox_id("oci", container.id);
  for (;;) {
    const auto answer = daemon_.ask("DELETE", target_of(id));
    if (answer.status == no_content || answer.status == not_found) return;
    if (answer.status != conflict) throw Refusal(answer.status, answer.message());
    for (const json& sandbox : daemon_.get("/sandboxes"))
      if (sandbox.at("SharedWith").get<std::string>() == id) {
        notes_ << "netd-hook: other containers live in its namespace: netd removes it when the "
                  "last of their processes has ended\n";
        return;
      }
    if (!daemon_.wait_a_moment()) throw Refusal(conflict, answer.message());
  }
}

}  // namespace runtime_hooks::oci
