// The methods of the plugin protocol that netd answers, one function each: JSON in, JSON out.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "netd/api/json_reader.h"
#include "netd/api/message.h"
#include "netd/api/routes.h"
#include "sandbox/process.h"

namespace netd {
class RemoteVerbs;
}

namespace netd::plugin {

/// Who calls, and what the methods work on.
struct Caller {
  const api::Request& request;
  const api::Context& context;

  /// The engine's process; nothing when the connection doesn't say (TCP).
  std::optional<sandbox::ProcessIdentity> process() const;
};

/// JSON, or where it comes from: a verb that asks the cluster's store, carried out on a worker.
struct Answer {
  Answer(nlohmann::json body) : json(std::move(body)) {}  // NOLINT(google-explicit-constructor)
  static Answer later(std::function<nlohmann::json(RemoteVerbs&)> verb) {
    Answer answer{nlohmann::json()};
    answer.verb = std::move(verb);
    return answer;
  }
  nlohmann::json json;
  std::function<nlohmann::json(RemoteVerbs&)> verb;
};

struct Method {
  const char* name;          // "NetworkDriver.Join"
  const char* error_member;  // "Err", "Error"
  Answer (*handler)(const api::JsonObject& body, const Caller& caller);
};

std::vector<Method> network_methods();  // network_methods.cpp: libnetwork.md 2.4
std::vector<Method> ipam_methods();     // ipam_methods.cpp: libnetwork.md 2.5

/// The address space of netd's IPAM: tells its pools from those of other IPAM drivers.
inline constexpr const char* address_space = "netd";

}  // namespace netd::plugin
